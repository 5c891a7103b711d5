package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// Client asks one service. It owns its connection to the bus until Close, unless it
// is one of a [Bus].
type Client struct {
	conn     *dbus.Conn
	name     string
	borrowed bool // the connection is a Bus's
}

// ErrAbsent: nobody on the bus owns the service's name. It does not run, or shows
// no status, or its bus does not let it.
var ErrAbsent = errors.New("the service is not on the bus")

// ErrDenied: the bus does not let this process ask; see [Policy].
var ErrDenied = errors.New("the bus denies it")

// accessDenied is what the bus calls it.
const accessDenied = "org.freedesktop.DBus.Error.AccessDenied"

// Dial connects to the bus at address, see [BusAddress], to ask the service of
// that well-known name. Whether there is one shows at the first question. The
// connection ends with ctx.
func Dial(ctx context.Context, address, name string) (*Client, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, name: name}, nil
}

// Close closes the connection. What is asked at the moment fails.
func (c *Client) Close() error {
	if c.borrowed {
		return nil
	}
	return c.conn.Close()
}

// State is what a service says of itself; the fields are the properties of
// [Introspection].
type State struct {
	Unit        string
	Generation  int
	Phase       string
	Build       string
	Version     string
	Revision    string
	MainPID     int
	Connections int
	Draining    []reload.Draining
	Sockets     []reload.Socket
	StoreUsed   int
	StoreMax    int
	// Attempts and NotLasting count upgrades.
	Attempts, NotLasting int
	// Reported is the last upgrade whose verdict Answer has returned.
	Reported int
	// Verdict is that of the last one that has ended; Attempt 0: there was none.
	Verdict reload.Verdict
	// UnitProblems are settings of the unit that do not go together with those of the
	// service, RestartNeeded those that have changed and that no reload changes.
	UnitProblems, RestartNeeded []string
}

// State asks for all properties. It goes on where the name goes. Errors: [ErrAbsent], [ErrDenied], those of the
// bus and of ctx.
func (c *Client) State(ctx context.Context) (State, error) {
	var raw map[string]dbus.Variant
	err := c.follow(ctx, func() error {
		if err := c.call(ctx, "org.freedesktop.DBus.Properties.GetAll", Interface).Store(&raw); err != nil {
			return c.explain("state", err)
		}
		return nil
	})
	if err != nil {
		return State{}, err
	}
	var w struct {
		Unit, Phase, Build, Version, Revision  string
		Generation, MainPID, Connections       uint32
		StoreUsed, StoreMax                    uint32
		Attempts, AttemptsNotLasting, Reported uint64
		Draining                               []wireDraining
		Sockets                                []wireSocket
		Verdict                                wireVerdict
		UnitProblems, RestartNeeded            []string
	}
	for property, value := range map[string]any{
		"Unit": &w.Unit, "Phase": &w.Phase, "Build": &w.Build, "Version": &w.Version, "Revision": &w.Revision,
		"Generation": &w.Generation, "MainPID": &w.MainPID, "Connections": &w.Connections,
		"StoreUsed": &w.StoreUsed, "StoreMax": &w.StoreMax,
		"Attempts": &w.Attempts, "AttemptsNotLasting": &w.AttemptsNotLasting, "Reported": &w.Reported,
		"Draining": &w.Draining, "Sockets": &w.Sockets, "Verdict": &w.Verdict,
		"UnitProblems": &w.UnitProblems, "RestartNeeded": &w.RestartNeeded,
	} {
		v, ok := raw[property]
		if !ok {
			return State{}, fmt.Errorf("status: %s has no property %s: another version of the interface?", c.name, property)
		}
		if err := v.Store(value); err != nil {
			return State{}, fmt.Errorf("status: the property %s of %s: %w", property, c.name, err)
		}
	}
	s := State{
		Unit: w.Unit, Phase: w.Phase, Build: w.Build, Version: w.Version, Revision: w.Revision,
		Generation: int(w.Generation), MainPID: int(w.MainPID), Connections: int(w.Connections),
		StoreUsed: int(w.StoreUsed), StoreMax: int(w.StoreMax),
		Attempts: int(w.Attempts), NotLasting: int(w.AttemptsNotLasting),
		Reported: int(w.Reported), Verdict: w.Verdict.verdict(),
		UnitProblems: w.UnitProblems, RestartNeeded: w.RestartNeeded,
	}
	for _, d := range w.Draining {
		s.Draining = append(s.Draining, reload.Draining{
			Party:       wireParty{d.Generation, d.PID, d.Build}.party(),
			Connections: int(d.Connections),
			Deadline:    time.UnixMicro(int64(d.DeadlineUSec)),
		})
	}
	for _, w := range w.Sockets {
		s.Sockets = append(s.Sockets, reload.Socket(w))
	}
	return s, nil
}

// Upgrade has the service upgrade, or join the upgrade under way, and returns the
// verdict. An upgrade that failed is no error: see Verdict.Err. The answer is the
// predecessor's: after a success State has it when the signal UpgradeEnded is sent,
// a moment later. Errors are those of State, and [reload.ErrNotMain] where the
// service is not ready for one.
func (c *Client) Upgrade(ctx context.Context) (reload.Verdict, error) {
	var w wireVerdict
	if err := c.call(ctx, Interface+".Upgrade").Store(&w); err != nil {
		return reload.Verdict{}, c.explain("upgrade", err)
	}
	return w.verdict(), nil
}

// Wait returns the verdict of the upgrade with that number when it has ended; 0:
// the one under way, or the next. It goes on where the name goes. Errors are those
// of State, and [reload.ErrForgotten].
func (c *Client) Wait(ctx context.Context, attempt int) (reload.Verdict, error) {
	var w wireVerdict
	err := c.follow(ctx, func() error {
		if err := c.call(ctx, Interface+".Wait", uint64(attempt)).Store(&w); err != nil {
			return c.explain("wait", err)
		}
		return nil
	})
	if err != nil {
		return reload.Verdict{}, err
	}
	return w.verdict(), nil
}

// follow calls ask until the process that answers is the main one: where the name
// goes, it goes.
func (c *Client) follow(ctx context.Context, ask func() error) error {
	for try := 0; ; try++ {
		err := ask()
		moved := errors.Is(err, reload.ErrNotMain) || errors.Is(err, errGone)
		if !moved || try == moves {
			return err
		}
		select {
		case <-time.After(moving):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// The name is somewhere else a moment later, when it is not where it was.
const (
	moving = 50 * time.Millisecond
	moves  = 100
)

// errGone: the process that was asked has ended before it has answered.
var errGone = errors.New("the process that was asked has ended")

func (c *Client) call(ctx context.Context, method string, args ...any) *dbus.Call {
	// Nobody is to be started for it.
	return c.conn.Object(c.name, Path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// explain makes an error of the bus one of this package.
func (c *Client) explain(op string, err error) error {
	var e dbus.Error
	if errors.As(err, &e) {
		known := map[string]error{
			errNotMain:   reload.ErrNotMain,
			errForgotten: reload.ErrForgotten,
			"org.freedesktop.DBus.Error.ServiceUnknown": ErrAbsent,
			"org.freedesktop.DBus.Error.NameHasNoOwner": ErrAbsent,
			accessDenied:                         ErrDenied,
			"org.freedesktop.DBus.Error.NoReply": errGone,
		}
		if k, ok := known[e.Name]; ok {
			return fmt.Errorf("status: %s of %s: %w (%s)", op, c.name, k, e.Error())
		}
	}
	return fmt.Errorf("status: %s of %s: %w", op, c.name, err)
}
