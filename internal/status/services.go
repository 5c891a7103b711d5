package status

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Bus is a connection to a bus, for asking any number of its services. Its methods
// may be called from several goroutines.
type Bus struct {
	conn  *dbus.Conn
	where string // for errors
}

// OpenBus connects to the bus at address, see [BusAddress]. The connection ends with
// ctx, or with Close.
func OpenBus(ctx context.Context, address string) (*Bus, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Bus{conn, "the bus at " + address}, nil
}

// OpenBusWith connects to a bus by a connection that open makes: that of another
// machine, by `ssh HOST systemd-stdio-bridge` for instance. where names the bus in
// errors. The Bus owns the connection that open returns, and closes it, on error
// too. It ends with ctx, or with Close.
func OpenBusWith(ctx context.Context, where string, open func(context.Context) (io.ReadWriteCloser, error)) (*Bus, error) {
	raw, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("status: %s: %w", where, err)
	}
	conn, err := dbus.NewConn(raw, dbus.WithContext(ctx))
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("status: %s: %w", where, err)
	}
	if conn, err = greet(conn, where); err != nil {
		return nil, err
	}
	return &Bus{conn, where}, nil
}

// Close closes the connection, and with it that of every Client of this Bus.
func (b *Bus) Close() error { return b.conn.Close() }

// Names are the well-known names of all services on the bus that show their status
// under [Name] of their unit, sorted. One that has chosen another (Config.Name) is
// not among them.
func (b *Bus) Names(ctx context.Context) ([]string, error) {
	var all []string
	if err := b.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.ListNames", 0).Store(&all); err != nil {
		return nil, fmt.Errorf("status: the names on %s: %w", b.where, err)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, NamePrefix) })
	slices.Sort(all)
	return all, nil
}

// Client asks the service of that well-known name. It lives as long as the Bus;
// closing it closes nothing else.
func (b *Bus) Client(name string) (*Client, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	return &Client{conn: b.conn, name: name, borrowed: true}, nil
}

// Watch tells of changes of the services on the bus: one says that its properties
// have changed, and one comes, goes, or has another main process. Several may show as
// one. When the channel is closed, the bus has closed the connection. stop ends the
// watching.
func (b *Bus) Watch(ctx context.Context) (changes <-chan struct{}, stop func(), err error) {
	for _, match := range [][]dbus.MatchOption{
		{
			dbus.WithMatchObjectPath(Path),
			dbus.WithMatchInterface("org.freedesktop.DBus.Properties"),
			dbus.WithMatchMember("PropertiesChanged"),
		},
		{
			dbus.WithMatchSender("org.freedesktop.DBus"),
			dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"),
			dbus.WithMatchArg0Namespace(strings.TrimSuffix(NamePrefix, ".")),
		},
	} {
		if err := b.conn.AddMatchSignalContext(ctx, match...); err != nil {
			return nil, nil, fmt.Errorf("status: watching %s: %w", b.where, err)
		}
	}
	all, some, enough := make(chan *dbus.Signal, 16), make(chan struct{}, 1), make(chan struct{})
	b.conn.Signal(all)
	go func() {
		defer close(some)
		for {
			select {
			case signal := <-all: // nil when the connection is closed
				if signal == nil {
					return
				}
				select {
				case some <- struct{}{}:
				default: // told already
				}
			case <-enough:
				return
			}
		}
	}()
	return some, func() {
		b.conn.RemoveSignal(all)
		close(enough)
	}, nil
}
