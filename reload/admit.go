package reload

import (
	"context"
	"errors"
	"net"

	"github.com/instar-project/instar/reload/internal/drainctx"
	"github.com/instar-project/instar/reload/internal/intake"
)

// Admit serves the connections of ln, which is a [Service.Listener], for a [Keeper]: each
// is handed to admit, which owns it from then on. Calls come one at a time, and
// admit must not wait for anything but the store: until it returns the connection
// counts as being accepted, and no Park begins. So Park finds every connection that was
// accepted, in whatever admit has put it.
//
// The context is that of [Streams]: done when this generation stops accepting.
//
// A process that is killed between accept(2) and admit's putting the connection into the
// store loses it; it has answered nothing on it.
func Admit(ln net.Listener, admit func(ctx context.Context, c net.Conn)) Server {
	return &admission{ln: ln, admit: admit}
}

type admission struct {
	ln    net.Listener
	admit func(context.Context, net.Conn)
	told  drainctx.Source
}

func (a *admission) Serve() error {
	ln, ok := a.ln.(*intake.Listener)
	if !ok {
		return errors.New("reload: Admit takes a listener of Service.Listener")
	}
	for {
		_, err := ln.AcceptWith(func(c net.Conn) { a.admit(a.told.Context(), c) })
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (a *admission) Drain(d Drain) { a.told.Drain(d.Reason, d.Deadline) }
func (a *admission) Resume()       { a.told.Resume() }
func (a *admission) Close() error  { return a.ln.Close() }
