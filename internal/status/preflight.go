package status

import (
	"context"
	"errors"
	"fmt"

	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// ErrRefused: the build that an upgrade would start could not follow. The error says
// why.
var ErrRefused = errors.New("preflight refused")

// ErrNoPreflight: the service is of a build that knows no preflight.
var ErrNoPreflight = errors.New("the service knows no preflight")

// Preflight has the service ask the build that an upgrade would start now whether
// it could follow; see [reload.Service.Preflight]. nil: it could. The error is
// [ErrRefused] with the reason; [ErrNoPreflight]; [reload.ErrNotMain]; or one of
// State.
func (c *Client) Preflight(ctx context.Context) error {
	return c.follow(ctx, func() error {
		err := c.call(ctx, Interface+".Preflight").Err
		var e dbus.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &e) && e.Name == errRefused:
			return fmt.Errorf("%w: %s", ErrRefused, e.Error())
		case errors.As(err, &e) && e.Name == "org.freedesktop.DBus.Error.UnknownMethod":
			return fmt.Errorf("status: preflight of %s: %w", c.name, ErrNoPreflight)
		}
		return c.explain("preflight", err)
	})
}

// preflight answers the method of that name.
func (o *object) preflight(who *callers, sender dbus.Sender) *dbus.Error {
	ctx, leave, refusal := o.enter(who, sender, o.upgrading)
	if refusal != nil {
		return refusal
	}
	defer leave()
	err := o.svc.Preflight(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, reload.ErrNotMain):
		return dbusError(errNotMain, err)
	case ctx.Err() != nil:
		return dbusError(errFailed, err)
	}
	return dbusError(errRefused, err)
}
