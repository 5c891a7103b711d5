package cli

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/godbus/dbus/v5"
)

// leastPolls is how often the owner of the name is asked for, at least.
const leastPolls = 10_000

// owner asks the bus for the owner of the service's name, without a break.
type owner struct {
	conn             *dbus.Conn
	polls, ownerless atomic.Int64
	end              chan struct{}
	ended            sync.WaitGroup
}

func (s *service) pollOwner(ctx context.Context) (*owner, error) {
	raw, err := s.Dial(ctx, "unix", "/run/dbus/system_bus_socket")
	if err != nil {
		return nil, err
	}
	conn, err := dbus.NewConn(raw)
	if err != nil {
		return nil, err
	}
	if err = conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	o := &owner{conn: conn, end: make(chan struct{})}
	o.ended.Go(o.poll)
	return o, nil
}

// poll counts an answer that is no owner, whatever it is: a bus that does not answer
// is no better.
func (o *owner) poll() {
	for {
		select {
		case <-o.end:
			return
		default:
		}
		var name string
		if err := o.conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, busName).Store(&name); err != nil || name == "" {
			o.ownerless.Add(1)
		}
		o.polls.Add(1)
	}
}

func (o *owner) count() int { return int(o.polls.Load()) }

func (o *owner) stop() (polls, ownerless int) {
	close(o.end)
	o.ended.Wait()
	o.conn.Close()
	return int(o.polls.Load()), int(o.ownerless.Load())
}
