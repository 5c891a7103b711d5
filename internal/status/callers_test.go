package status

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/testkit"

	"github.com/godbus/dbus/v5"
)

// Calls whose callers have gone do not block others, calls that wait take no place
// from an upgrade, and one caller takes few of all places.
func TestAbandonedCalls(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	serving(t, c, 1)
	limited := func(err error) bool {
		var e dbus.Error
		return errors.As(err, &e) && e.Name == errLimits
	}
	wait := func(conn *dbus.Conn, answered chan *dbus.Call) {
		conn.Object(testName, Path).Go(Interface+".Wait", 0, answered, uint64(0))
	}
	// refused tells whether there is no place for the call of another one.
	refused := func() bool {
		conn := b.dial()
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return limited(conn.Object(testName, Path).CallWithContext(ctx, Interface+".Wait", 0, uint64(0)).Err)
	}

	greedy := b.dial()
	answered := make(chan *dbus.Call, maxPerCaller+1)
	for range cap(answered) {
		wait(greedy, answered)
	}
	if call := <-answered; !limited(call.Err) {
		t.Errorf("one call too many of one caller: %v", call.Err)
	}
	callers := []*dbus.Conn{greedy}
	testkit.Eventually(t, "every place is taken", func() bool {
		if refused() {
			return true
		}
		callers = append(callers, b.dial())
		for range maxPerCaller {
			wait(callers[len(callers)-1], make(chan *dbus.Call, 1))
		}
		return false
	})

	if err := c.Preflight(t.Context()); err != nil {
		t.Errorf("a preflight beside them: %v", err)
	}
	for _, conn := range callers {
		conn.Close()
	}
	testkit.Eventually(t, "the places of callers that have gone are free", func() bool { return !refused() })
	u.deploy("v2")
	if v, err := c.Upgrade(t.Context()); err != nil || v.Err != nil {
		t.Errorf("an upgrade after them: %v, %v", v, err)
	}
}

// Everyone may read, but not without a bound.
func TestReadersAreBounded(t *testing.T) {
	o := &object{reading: make(chan struct{}, 1)}
	o.reading <- struct{}{}
	for what, read := range map[string]func() *dbus.Error{
		"Get":        func() *dbus.Error { _, err := o.get(Interface, "Phase"); return err },
		"GetAll":     func() *dbus.Error { _, err := o.getAll(Interface); return err },
		"Introspect": func() *dbus.Error { _, err := o.introspect(); return err },
	} {
		if err := read(); err == nil || err.Name != errLimits {
			t.Errorf("%s: %v", what, err)
		}
	}
	<-o.reading
	if _, err := o.introspect(); err != nil {
		t.Error(err)
	}
	if len(o.reading) != 0 {
		t.Error("a place is not given back")
	}
}
