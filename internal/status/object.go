package status

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// Introspection is the answer of Introspect: the reference of the interface.
//
//go:embed introspection.xml
var Introspection string

// Names of errors that a method answers with.
const (
	errNotMain   = Interface + ".NotMain"
	errForgotten = Interface + ".Forgotten"
	errRefused   = Interface + ".Refused"
	errLimits    = "org.freedesktop.DBus.Error.LimitsExceeded"
	errFailed    = "org.freedesktop.DBus.Error.Failed"
)

// maxReading is how many calls may read properties at the same time: everyone may.
const maxReading = 64

// object is the service as the bus sees it.
type object struct {
	svc   *reload.Service
	fixed map[string]any

	// One for each call under way.
	waiting, upgrading, reading chan struct{}

	tenure   tenure
	reported atomic.Uint64 // the last upgrade whose verdict systemd was told
	facts    atomic.Pointer[facts]
}

func newObject(svc *reload.Service, unit string) *object {
	return &object{
		svc: svc, fixed: fixed(svc, unit),
		waiting:   make(chan struct{}, maxWaiting),
		upgrading: make(chan struct{}, maxUpgrading),
		reading:   make(chan struct{}, maxReading),
	}
}

// unit returns the known facts about the unit.
func (o *object) unit() facts {
	if f := o.facts.Load(); f != nil {
		return *f
	}
	return facts{}
}

// exportOn makes the object answer on conn. The calls that wait end with ctx.
func (o *object) exportOn(ctx context.Context, conn *dbus.Conn) error {
	who := newCallers(ctx, conn)
	for iface, methods := range map[string]map[string]any{
		Interface: {
			"Upgrade": func(sender dbus.Sender) (verdict.Record, *dbus.Error) {
				return o.verdict(who, sender, o.upgrading, o.svc.Upgrade)
			},
			"Wait": func(sender dbus.Sender, attempt uint64) (verdict.Record, *dbus.Error) {
				return o.verdict(who, sender, o.waiting, func(ctx context.Context) (reload.Verdict, error) { return o.wait(ctx, attempt) })
			},
			"Preflight": func(sender dbus.Sender) *dbus.Error { return o.preflight(who, sender) },
			"MarkReported": func(attempt uint64) *dbus.Error {
				o.reported.Store(attempt)
				return nil
			},
		},
		"org.freedesktop.DBus.Properties": {
			"Get": o.get, "GetAll": o.getAll, "Set": o.set,
		},
		"org.freedesktop.DBus.Introspectable": {
			"Introspect": o.introspect,
		},
	} {
		if err := conn.ExportMethodTable(methods, Path, iface); err != nil {
			return fmt.Errorf("status: exporting %s: %w", iface, err)
		}
	}
	return nil
}

// answering is how long a generation that drains stays after it has made up an
// answer: godbus writes it a moment later, and does not say when.
const answering = 100 * time.Millisecond

// enter lets a call wait, in one of the places of room, until leave is called or its
// context ends. A generation that drains stays until it has answered.
func (o *object) enter(who *callers, sender dbus.Sender, room chan struct{}) (ctx context.Context, leave func(), refusal *dbus.Error) {
	ctx, answered, err := who.enter(sender)
	if err != nil {
		return nil, nil, dbusError(errLimits, err)
	}
	if refusal := take(room, "calls wait"); refusal != nil {
		answered()
		return nil, nil, refusal
	}
	done := o.svc.Begin()
	return ctx, func() {
		time.AfterFunc(answering, done)
		<-room
		answered()
	}, nil
}

// take takes a place of room, or refuses.
func take(room chan struct{}, calls string) *dbus.Error {
	select {
	case room <- struct{}{}:
		return nil
	default:
		return dbusError(errLimits, fmt.Errorf("%d %s already", cap(room), calls))
	}
}

// verdict answers with the verdict that f returns.
func (o *object) verdict(who *callers, sender dbus.Sender, room chan struct{}, f func(context.Context) (reload.Verdict, error)) (verdict.Record, *dbus.Error) {
	ctx, leave, refusal := o.enter(who, sender, room)
	if refusal != nil {
		return verdict.Record{}, refusal
	}
	defer leave()
	v, err := f(ctx)
	switch {
	case errors.Is(err, reload.ErrNotMain):
		return verdict.Record{}, dbusError(errNotMain, err)
	case errors.Is(err, reload.ErrForgotten):
		return verdict.Record{}, dbusError(errForgotten, err)
	case err != nil:
		return verdict.Record{}, dbusError(errFailed, err)
	}
	return v.Record(), nil
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
	all["MainSinceUSec"] = o.tenure.usec.Load()
	return all
}

func (o *object) introspect() (string, *dbus.Error) {
	if refusal := take(o.reading, "calls read"); refusal != nil {
		return "", refusal
	}
	defer func() { <-o.reading }()
	return Introspection, nil
}

func (o *object) getAll(iface string) (map[string]dbus.Variant, *dbus.Error) {
	if refusal := take(o.reading, "calls read"); refusal != nil {
		return nil, refusal
	}
	defer func() { <-o.reading }()
	if iface != Interface && iface != "" {
		return map[string]dbus.Variant{}, nil
	}
	return differences(nil, o.all()), nil
}

func (o *object) get(iface, property string) (dbus.Variant, *dbus.Error) {
	if refusal := take(o.reading, "calls read"); refusal != nil {
		return dbus.Variant{}, refusal
	}
	defer func() { <-o.reading }()
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
	return dbus.NewError(name, []any{verdict.Text(err.Error())})
}
