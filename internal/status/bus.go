package status

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// BusAddress is where the system's bus is, or the bus of this process's user: from
// the environment, or else the usual address. See the D-Bus specification,
// "Well-known Message Bus Instances".
func BusAddress(user bool) string {
	if !user {
		if a := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); a != "" {
			return a
		}
		return "unix:path=/run/dbus/system_bus_socket"
	}
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		runtime = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	return "unix:path=" + runtime + "/bus"
}

// connectTimeout bounds how long a bus may take to greet: one that hangs is as
// good as none.
const connectTimeout = 10 * time.Second

// connect connects to a bus. The connection is the caller's to close; it ends
// with ctx as well.
func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	where := "the bus at " + address
	conn, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("status: %s: %w", where, err)
	}
	return greet(conn, where)
}

// greet makes a connection ready for use: authentication, and the bus's hello. It
// owns conn, and closes it on error.
func greet(conn *dbus.Conn, where string) (*dbus.Conn, error) {
	late := time.AfterFunc(connectTimeout, func() { conn.Close() })
	defer late.Stop()
	err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil {
		err = conn.Hello()
	}
	if err == nil && !late.Stop() {
		err = fmt.Errorf("no greeting within %v", connectTimeout)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("status: %s: %w", where, err)
	}
	return conn, nil
}
