package reload

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/instar-project/instar/reload/internal/drainctx"
)

// Drain says why a server drains, and for how long.
type Drain struct {
	// Reason is ErrHandedOver or ErrStopping.
	Reason error
	// Deadline is when the connections that are left have been closed; see
	// [Config].DrainTimeout.
	Deadline time.Time
}

// Reasons of a drain.
var (
	// ErrHandedOver: another generation accepts.
	ErrHandedOver = errors.New("another generation of the service has taken over")
	// ErrStopping: the service stops, so nobody accepts.
	ErrStopping = errors.New("the service stops")
)

// A Server serves one or more of the service's sockets for as long as its
// generation lives. [Streams] and [Packets] make one of a function; package
// httpdrain makes one of an http.Server.
//
// Connections need no attention here: those of [Service.Listener] are tracked,
// and a generation that drains waits for them. For any other work of a server, such as a
// shutdown that Drain has begun, it waits where that is announced by [Service.Begin].
//
// A server that hangs does not block the service: each method runs in a goroutine of its
// own, and the log names one that has not returned in time.
type Server interface {
	// Serve serves until Close, or until Drain has nothing left to finish. Once one of
	// them was called its return ends this server and nothing else; an error is only
	// logged then. Any other return, nil included, ends this generation: systemd
	// restarts the service, or the predecessor takes back.
	Serve() error
	// Drain begins the drain: nothing new is accepted any more, and the work in flight
	// should come to its end. It returns at once, within 5 s at most. It may come before
	// the call of Serve, whose goroutine has yet to run. It comes again, with ErrStopping
	// and the same deadline, if a generation that has handed over is told to stop: nobody
	// else accepts then, so there is no reason to keep a connection that has nothing to
	// finish.
	Drain(Drain)
	// Resume ends a drain because this generation takes back; it returns like Drain,
	// and comes after that has returned. Many servers cannot serve again, since Drain has
	// ended their Serve or closed their sockets. They need do nothing here: where a server
	// has ended, or a socket that was open before the drain is not open after Resume, this
	// generation ends with an error, and systemd starts the service anew.
	Resume()
	// Close ends Serve, with whatever is still in flight; Serve has to return within 5 s.
	// It is called although Serve may have ended and all may be closed, and possibly
	// beside a Drain that hangs. Its error is only logged.
	Close() error
}

// Streams serves the connections of ln: each is handed to serve in a goroutine
// of its own and closed when serve returns.
//
// The context is done when this generation stops accepting: a connection that would last
// can be ended then, and its client comes back to the next generation. [context.Cause]
// is the Drain's Reason, and from then on the context's deadline is the Drain's. If the
// generation takes back, new connections have a new context. A serve that takes no notice
// ends when its connection does, or when the drain closes it at the deadline.
func Streams(ln net.Listener, serve func(ctx context.Context, c net.Conn)) Server {
	return &streams{ln: ln, serve: serve}
}

type streams struct {
	ln    net.Listener
	serve func(context.Context, net.Conn)
	told  drainctx.Source
}

func (s *streams) Serve() error {
	for {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		ctx := s.told.Context()
		go func() {
			defer c.Close()
			s.serve(ctx, c)
		}()
	}
}

func (s *streams) Drain(d Drain) { s.told.Drain(d.Reason, d.Deadline) }
func (s *streams) Resume()       { s.told.Resume() }
func (s *streams) Close() error  { return s.ln.Close() }

// Packets serves the datagrams of pc one by one: answer gets each with its
// sender, and what it returns is sent back; nil: nothing is. The datagram is
// valid until answer returns.
func Packets(pc net.PacketConn, answer func(datagram []byte, from net.Addr) []byte) Server {
	return &packets{pc, answer}
}

type packets struct {
	pc     net.PacketConn
	answer func([]byte, net.Addr) []byte
}

func (p *packets) Serve() error {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := p.pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if reply := p.answer(buf[:n], from); reply != nil && from != nil {
			// A sender that has gone is no failure of the service.
			_, _ = p.pc.WriteTo(reply, from)
		}
	}
}

func (p *packets) Drain(Drain)  {}
func (p *packets) Resume()      {}
func (p *packets) Close() error { return p.pc.Close() }
