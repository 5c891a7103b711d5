package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/verdict"
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

// ErrAbsent: the service's name has no owner on the bus. It does not run, or shows
// no status, or its bus does not let it.
var ErrAbsent = errors.New("the service is not on the bus")

// ErrDenied: the bus does not let this process ask; see [Policy].
var ErrDenied = errors.New("the bus denies it")

// ErrNoAnswer: the service owns its name on the bus, and does not answer. It may be
// stopped, or hang.
var ErrNoAnswer = errors.New("the service does not answer")

// patience is how long a service may take to answer from memory.
const patience = 3 * time.Second

// accessDenied is the bus's name for the error.
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

// Close closes the connection. Calls under way fail.
func (c *Client) Close() error {
	if c.borrowed {
		return nil
	}
	return c.conn.Close()
}

// State is a service's report on itself; the fields are the properties of
// [Introspection].
type State struct {
	Unit        string
	Generation  int
	Phase       string
	Build       string
	Version     string
	Revision    string
	MainPID     int
	Since       time.Time // it became the main process; zero: not known
	Connections int
	Draining    []reload.Draining
	// Killed counts older generations that did not end in time. Unsettled is why systemd
	// may not know the main process as its child; "": it does.
	Killed    int
	Unsettled string
	Sockets   []inside.Socket
	StoreUsed int
	StoreMax  int
	Keeps     bool // it has a Keeper, and so needs a store
	// Attempts and NotLasting count upgrades.
	Attempts, NotLasting int
	// Reported is the last upgrade whose verdict Answer has returned.
	Reported int
	// Verdict is that of the last one that has ended; Attempt 0: there was none. It has
	// no Words: they are the journal's.
	Verdict reload.Verdict
	// UnitProblems are settings of the unit that do not go together with those of the
	// service. RestartNeeded are settings of the unit that the service lacks and no
	// reload brings, a line each that begins with the directive.
	UnitProblems, RestartNeeded []string
}

// State asks for all properties. It goes on where the name goes. A service of another
// version may leave properties out, which are zero then, and have others, which are
// ignored. Errors: [ErrAbsent], [ErrDenied], [ErrNoAnswer] after three seconds, those
// of the bus and of ctx.
func (c *Client) State(ctx context.Context) (State, error) {
	var raw map[string]dbus.Variant
	err := c.within(ctx, func(ctx context.Context) error {
		if err := c.call(ctx, "org.freedesktop.DBus.Properties.GetAll", Interface).Store(&raw); err != nil {
			return c.explain("state", err)
		}
		return nil
	})
	if err != nil {
		return State{}, err
	}
	s, err := stateFromWire(raw)
	if err != nil {
		return State{}, fmt.Errorf("status: %s: %w", c.name, err)
	}
	return s, nil
}

// Upgrade has the service upgrade, or join the upgrade under way, and returns the
// verdict. An upgrade that failed is no error: see Verdict.Err. The answer is the
// predecessor's: after a success State has it when the signal UpgradeEnded is sent,
// a moment later. Errors are those of State, and [reload.ErrNotMain] where the
// service is not ready for one.
func (c *Client) Upgrade(ctx context.Context) (reload.Verdict, error) {
	v, err := verdictOf(c.call(ctx, Interface+".Upgrade"))
	if err != nil {
		return reload.Verdict{}, c.explain("upgrade", err)
	}
	return v, nil
}

// Wait returns the verdict of the upgrade with that number when it has ended; 0:
// the one under way, or the next. It goes on where the name goes. Errors are those
// of State, and [reload.ErrForgotten].
func (c *Client) Wait(ctx context.Context, attempt int) (reload.Verdict, error) {
	var v reload.Verdict
	err := c.follow(ctx, func() (err error) {
		if v, err = verdictOf(c.call(ctx, Interface+".Wait", uint64(attempt))); err != nil {
			return c.explain("wait", err)
		}
		return nil
	})
	return v, err
}

// verdictOf is the verdict that a method answers with.
func verdictOf(call *dbus.Call) (reload.Verdict, error) {
	if call.Err != nil {
		return reload.Verdict{}, call.Err
	}
	var w verdict.Record
	if len(call.Body) != 1 {
		return reload.Verdict{}, fmt.Errorf("%d values in the answer, want a verdict", len(call.Body))
	}
	if err := store(call.Body[0], &w); err != nil {
		return reload.Verdict{}, err
	}
	return w.Verdict(), nil
}

// within is follow for calls that a healthy service answers at once.
func (c *Client) within(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrNoAnswer)
	defer cancel()
	err := c.follow(ctx, func() error { return ask(ctx) })
	if err != nil && errors.Is(context.Cause(ctx), ErrNoAnswer) {
		return fmt.Errorf("status: %s: %w within %v", c.name, ErrNoAnswer, patience)
	}
	return err
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
	// The call must not start a service.
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
