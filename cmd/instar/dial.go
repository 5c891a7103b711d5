package main

import (
	"context"
	"errors"
	"io"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// dial connects to the systemd that the flags mean. The caller closes the Conn.
func (o *options) dial(ctx context.Context) (*units.Conn, error) {
	if o.host == "" {
		return units.Dial(ctx, o.scope())
	}
	return units.DialWith(ctx, o.dialHost)
}

// openBus connects to the bus where the services show their status: the one of
// dial. It ends with ctx; the caller closes it.
func (o *options) openBus(ctx context.Context) (*status.Bus, error) {
	if o.host == "" {
		return status.OpenBus(ctx, status.BusAddress(o.user))
	}
	return status.OpenBusWith(ctx, "the bus of "+o.host, o.dialHost)
}

// dialHost connects to the bus of another machine.
func (o *options) dialHost(context.Context) (io.ReadWriteCloser, error) {
	d, err := parseDestination(o.host)
	if err != nil {
		return nil, err
	}
	command := []string{"systemd-stdio-bridge"}
	if o.user {
		command = append(command, "--user")
	}
	return openBridge(d.ssh(command...))
}

// site is where the units are: systemd, and the services on its bus.
type site struct {
	systemd *units.Conn
	bus     *status.Bus
}

// open connects to both. The caller closes the site.
func (o *options) open(ctx context.Context) (*site, error) {
	if o.host != "" {
		// Before ssh asks for a password.
		if _, err := parseDestination(o.host); err != nil {
			return nil, err
		}
	}
	systemd, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	bus, err := o.openBus(ctx)
	if err != nil {
		return nil, errors.Join(err, systemd.Close())
	}
	return &site{systemd, bus}, nil
}

// client asks the service of a unit.
func (s *site) client(unit string) (*status.Client, error) {
	name, err := status.Name(unit)
	if err != nil {
		return nil, err
	}
	return s.bus.Client(name)
}

func (s *site) Close() error { return errors.Join(s.systemd.Close(), s.bus.Close()) }
