package units

import (
	"context"
	"errors"
	"iter"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// Watch yields the status of a unit, at once and whenever systemd says that it
// has changed, until ctx is done or the caller has seen enough. Changes that
// come faster than they are taken count as one. When systemd cannot be asked any
// more, the last thing it yields is an error; ctx being done is none.
//
//	for status, err := range conn.Watch(ctx, "web.service") {
func (c *Conn) Watch(ctx context.Context, unit string) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		if err := c.watch(ctx, unit, func(s Status) bool { return yield(s, nil) }); err != nil && ctx.Err() == nil {
			yield(Status{}, c.failed("Watch", unit, err))
		}
	}
}

// watch uses the connection itself: go-systemd's subscription leaves out the
// properties of services, MainPID= and StatusText= among them.
func (c *Conn) watch(ctx context.Context, unit string, see func(Status) bool) error {
	if err := checkUnitName(unit); err != nil {
		return err
	}
	path := unitPath(unit)
	match := []dbus.MatchOption{
		dbus.WithMatchSender(busName),
		dbus.WithMatchObjectPath(path),
		dbus.WithMatchInterface("org.freedesktop.DBus.Properties"),
		dbus.WithMatchMember("PropertiesChanged"),
	}
	if err := c.bus.AddMatchSignalContext(ctx, match...); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		c.bus.RemoveMatchSignalContext(ctx, match...) // fails only when the connection is gone
	}()
	if err := c.subscribe(ctx); err != nil {
		return err
	}
	changed, stop := c.changes(path)
	defer stop()
	for {
		status, err := c.Query(ctx, unit)
		if err != nil {
			return errors.Unwrap(err)
		}
		if !see(status) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-c.bus.Context().Done():
			return errors.New("the bus went away")
		}
	}
}

// changes takes the signals of one unit off the connection and keeps no more of
// them than that there was one.
func (c *Conn) changes(path dbus.ObjectPath) (changed <-chan struct{}, stop func()) {
	all, some := make(chan *dbus.Signal, 16), make(chan struct{}, 1)
	enough := make(chan struct{})
	c.bus.Signal(all)
	go func() {
		for {
			select {
			case signal := <-all: // nil when the connection is closed
				if signal == nil {
					return
				}
				if signal.Path == path {
					select {
					case some <- struct{}{}:
					default:
					}
				}
			case <-enough:
				return
			}
		}
	}()
	return some, func() {
		c.bus.RemoveSignal(all)
		close(enough)
	}
}

// subscribe has systemd send signals at all. One client may ask once.
func (c *Conn) subscribe(ctx context.Context) error {
	c.subscribing.Lock()
	defer c.subscribing.Unlock()
	if c.subscribed {
		return nil
	}
	err := c.bus.Object(busName, busPath).CallWithContext(ctx, managerBus+".Subscribe", 0).Store()
	c.subscribed = err == nil
	return err
}

func unitPath(unit string) dbus.ObjectPath {
	return busPath + "/unit/" + dbus.ObjectPath(systemd.PathBusEscape(unit))
}
