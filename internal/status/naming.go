package status

import (
	"context"
	"errors"
	"fmt"

	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// naming is this process's part in the ownership of the name. One goroutine uses
// it.
type naming struct {
	conn  *dbus.Conn
	name  string
	svc   *reload.Service
	owner bool
	let   func() // lets this process end; nil: nothing holds it
}

// queue asks for the name without taking it from its owner, which is main, or was
// the last to be.
func (n *naming) queue(ctx context.Context) error {
	return n.request(ctx, dbus.NameFlagAllowReplacement)
}

func (n *naming) request(ctx context.Context, flags dbus.RequestNameFlags) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var reply uint32
	err := n.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.RequestName", 0, n.name, uint32(flags)).Store(&reply)
	if e := (dbus.Error{}); errors.As(err, &e) && e.Name == accessDenied {
		// Without the words of the bus: they have this connection's number, and so
		// would be news each time.
		return fmt.Errorf("status: the name: %w: no policy allows this process to own it; install the one that status.Policy writes", ErrDenied)
	}
	if err != nil {
		return fmt.Errorf("status: the name: %w", err)
	}
	switch dbus.RequestNameReply(reply) {
	case dbus.RequestNameReplyPrimaryOwner, dbus.RequestNameReplyAlreadyOwner:
		n.owner = true
	}
	return nil
}

// heard takes the bus's signals about the name.
func (n *naming) heard(s *dbus.Signal) {
	if s.Sender != "org.freedesktop.DBus" || len(s.Body) != 1 || s.Body[0] != n.name {
		return
	}
	switch s.Name {
	case "org.freedesktop.DBus.NameAcquired":
		n.owner = true
	case "org.freedesktop.DBus.NameLost":
		n.owner = false
	}
}

// follow takes the name when this process is main, and holds this process from
// then on until another one has it.
func (n *naming) follow(ctx context.Context, now reload.Snapshot) error {
	if !n.owner {
		n.release()
	}
	if !now.Main {
		return nil
	}
	if !n.owner {
		if err := n.request(ctx, dbus.NameFlagAllowReplacement|dbus.NameFlagReplaceExisting); err != nil {
			return err
		}
	}
	if n.owner && n.let == nil {
		n.let = hold(n.svc)
	}
	return nil
}

// release lets this process end.
func (n *naming) release() {
	if n.let != nil {
		n.let()
		n.let = nil
	}
}
