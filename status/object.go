package status

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// Introspection is what Introspect returns: the reference of the interface.
//
//go:embed introspection.xml
var Introspection string

// Names of errors that a method answers with.
const (
	errNotMain   = Interface + ".NotMain"
	errForgotten = Interface + ".Forgotten"
	errRefused   = Interface + ".Refused"
	errFailed    = "org.freedesktop.DBus.Error.Failed"
)

// maxWaiting is how many calls may wait at the same time: a caller that has gone is
// not noticed.
const maxWaiting = 64

// object is the service as the bus sees it.
type object struct {
	svc     *reload.Service
	fixed   map[string]any
	waiting chan struct{} // one for each call that waits

	reported atomic.Uint64 // the last upgrade whose verdict systemd was told
	facts    atomic.Pointer[facts]
}

func newObject(svc *reload.Service, unit string) *object {
	return &object{svc: svc, fixed: fixed(svc, unit), waiting: make(chan struct{}, maxWaiting)}
}

// unit is what is known of the unit.
func (o *object) unit() facts {
	if f := o.facts.Load(); f != nil {
		return *f
	}
	return facts{}
}

// exportOn makes the object answer on conn. The calls that wait end with ctx.
func (o *object) exportOn(ctx context.Context, conn *dbus.Conn) error {
	for iface, methods := range map[string]map[string]any{
		Interface: {
			"Upgrade": func() (wireVerdict, *dbus.Error) {
				return o.verdict(ctx, o.svc.Upgrade)
			},
			"Wait": func(attempt uint64) (wireVerdict, *dbus.Error) {
				return o.verdict(ctx, func(ctx context.Context) (reload.Verdict, error) { return o.wait(ctx, attempt) })
			},
			"Preflight": func() *dbus.Error { return o.preflight(ctx) },
			"MarkReported": func(attempt uint64) *dbus.Error {
				o.reported.Store(attempt)
				return nil
			},
		},
		"org.freedesktop.DBus.Properties": {
			"Get": o.get, "GetAll": o.getAll, "Set": o.set,
		},
		"org.freedesktop.DBus.Introspectable": {
			"Introspect": func() (string, *dbus.Error) { return Introspection, nil },
		},
	} {
		if err := conn.ExportMethodTable(methods, Path, iface); err != nil {
			return fmt.Errorf("status: exporting %s: %w", iface, err)
		}
	}
	return nil
}

// answering is how long a generation that drains stays after it has made up an
// answer: godbus writes it a moment later, and nobody tells when.
const answering = 100 * time.Millisecond

// enter lets a call wait, until leave is called. A generation that drains stays
// until it has answered.
func (o *object) enter() (leave func(), refusal *dbus.Error) {
	select {
	case o.waiting <- struct{}{}:
	default:
		return nil, dbusError("org.freedesktop.DBus.Error.LimitsExceeded", fmt.Errorf("%d calls wait already", maxWaiting))
	}
	done := o.svc.Begin()
	return func() {
		time.AfterFunc(answering, done)
		<-o.waiting
	}, nil
}

// verdict answers with what f returns.
func (o *object) verdict(ctx context.Context, f func(context.Context) (reload.Verdict, error)) (wireVerdict, *dbus.Error) {
	leave, refusal := o.enter()
	if refusal != nil {
		return wireVerdict{}, refusal
	}
	defer leave()
	v, err := f(ctx)
	switch {
	case errors.Is(err, reload.ErrNotMain):
		return wireVerdict{}, dbusError(errNotMain, err)
	case errors.Is(err, reload.ErrForgotten):
		return wireVerdict{}, dbusError(errForgotten, err)
	case err != nil:
		return wireVerdict{}, dbusError(errFailed, err)
	}
	return verdictToWire(v), nil
}

func (o *object) wait(ctx context.Context, attempt uint64) (reload.Verdict, error) {
	if attempt == 0 {
		now := o.svc.Snapshot()
		attempt = uint64(now.Attempts)
		if now.Attempts == now.Verdict.Attempt {
			attempt++
		}
	}
	return o.svc.Wait(ctx, int(min(attempt, 1<<31)))
}

func (o *object) all() map[string]any {
	all := properties(o.svc.Snapshot(), o.unit())
	maps.Copy(all, o.fixed)
	all["Reported"] = o.reported.Load()
	return all
}

func (o *object) getAll(iface string) (map[string]dbus.Variant, *dbus.Error) {
	if iface != Interface && iface != "" {
		return map[string]dbus.Variant{}, nil
	}
	return differences(nil, o.all()), nil
}

func (o *object) get(iface, property string) (dbus.Variant, *dbus.Error) {
	value, ok := o.all()[property]
	if !ok || iface != Interface && iface != "" {
		return dbus.Variant{}, dbusError("org.freedesktop.DBus.Error.UnknownProperty", fmt.Errorf("%s has no property %q", iface, property))
	}
	return dbus.MakeVariant(value), nil
}

func (o *object) set(_, property string, _ dbus.Variant) *dbus.Error {
	return dbusError("org.freedesktop.DBus.Error.PropertyReadOnly", fmt.Errorf("%q cannot be set", property))
}

func dbusError(name string, err error) *dbus.Error {
	return dbus.NewError(name, []any{text(err.Error())})
}
