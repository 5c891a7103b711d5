package units

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// ErrNoBus is in the error of [Dial] when there is no bus to connect to: none
// in this container, no session of the user.
var ErrNoBus = errors.New("no bus")

// Conn is a connection to a systemd. Its methods may be called from several
// goroutines. One that the bus has closed stays closed: every method fails then,
// and the caller dials again.
type Conn struct {
	systemd *systemd.Conn // for the calls that go-systemd has
	bus     *dbus.Conn    // the rest; one of the two that go-systemd has, and owns
	signals *dbus.Conn    // the other one
	where   string        // for errors
	local   bool          // the manager is on this machine, and its processes in /proc

	subscribing sync.Mutex
	subscribed  bool
}

const (
	busName    = "org.freedesktop.systemd1"
	busPath    = dbus.ObjectPath("/org/freedesktop/systemd1")
	managerBus = busName + ".Manager"
)

// Dial connects to the bus of the machine or of this process's user, where
// systemd is. ctx bounds the connecting, not the connection's life. The caller
// closes the Conn.
//
// The error has [ErrNoBus] when there is none.
func Dial(ctx context.Context, scope Scope) (*Conn, error) {
	address, err := busAddress(scope)
	if err != nil {
		return nil, fmt.Errorf("units: Dial: %w", err)
	}
	c, err := dial(ctx, scope.String()+" bus at "+address, func(ctx context.Context) (io.ReadWriteCloser, error) {
		c, err := new(net.Dialer).DialContext(ctx, "unix", address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
		}
		return c, nil
	})
	if err == nil {
		c.local = true
	}
	return c, err
}

// DialWith connects to a bus by connections that open makes: those of another
// machine, by `ssh HOST systemd-stdio-bridge` for instance. It calls open twice.
// The Conn owns the connections that open returns, and closes them, on error too.
func DialWith(ctx context.Context, open func(ctx context.Context) (io.ReadWriteCloser, error)) (*Conn, error) {
	return dial(ctx, "bus", open)
}

// busAddress is the path of the bus's socket ("@" for an abstract one).
func busAddress(scope Scope) (string, error) {
	variable, fallback := "DBUS_SYSTEM_BUS_ADDRESS", "/run/dbus/system_bus_socket"
	if scope == User {
		variable, fallback = "DBUS_SESSION_BUS_ADDRESS", ""
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			fallback = filepath.Join(dir, "bus")
		}
	}
	value := os.Getenv(variable)
	if value == "" {
		if fallback == "" {
			return "", fmt.Errorf("%w of the user: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set; log in, or loginctl enable-linger", ErrNoBus)
		}
		return fallback, nil
	}
	for one := range strings.SplitSeq(value, ";") {
		for part := range strings.SplitSeq(strings.TrimPrefix(one, "unix:"), ",") {
			if p, ok := strings.CutPrefix(part, "path="); ok {
				return p, nil
			}
			if p, ok := strings.CutPrefix(part, "abstract="); ok {
				return "@" + p, nil
			}
		}
	}
	return "", fmt.Errorf("%w: %s=%q names no Unix socket", ErrNoBus, variable, value)
}

func dial(ctx context.Context, where string, open func(context.Context) (io.ReadWriteCloser, error)) (*Conn, error) {
	var conns []*dbus.Conn
	s, err := systemd.NewConnection(func() (*dbus.Conn, error) {
		c, err := greet(ctx, open)
		if err == nil {
			conns = append(conns, c)
		}
		return c, err
	})
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("units: Dial: %s: %w", where, err)
	}
	return &Conn{systemd: s, bus: conns[0], signals: conns[1], where: where}, nil
}

// greet makes one connection: authentication, and the bus's hello. A bus that
// does not answer until ctx is done is let go.
func greet(ctx context.Context, open func(context.Context) (io.ReadWriteCloser, error)) (*dbus.Conn, error) {
	raw, err := open(ctx)
	if err != nil {
		return nil, err
	}
	c, err := dbus.NewConn(raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil {
		err = c.Hello()
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection, and every call and Watch under way.
func (c *Conn) Close() error {
	c.systemd.Close()
	return nil
}

// Version is the major version of the systemd, such as 257.
func (c *Conn) Version(ctx context.Context) (int, error) {
	var v dbus.Variant
	err := c.bus.Object(busName, busPath).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, managerBus, "Version").Store(&v)
	if err != nil {
		return 0, c.failed("Version", "", err)
	}
	text, _ := v.Value().(string)
	version, err := parseVersion(text)
	if err != nil {
		return 0, c.failed("Version", "", err)
	}
	return version, nil
}

// parseVersion reads "257.13-1~deb13u1", "254 (254.26)", "v258" and the like.
func parseVersion(s string) (int, error) {
	digits := strings.TrimPrefix(s, "v")
	digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("%q is no version of systemd", clip(s))
	}
	return n, nil
}

// failed makes the error of a method.
func (c *Conn) failed(op, unit string, err error) error {
	if !c.bus.Connected() {
		err = fmt.Errorf("%s: connection closed: %w", c.where, err)
	}
	if unit == "" {
		return fmt.Errorf("units: %s: %w", op, err)
	}
	return fmt.Errorf("units: %s(%q): %w", op, unit, err)
}
