package status

import (
	"errors"
	"testing"

	"github.com/godbus/dbus/v5"
)

// A preflight is answered over the bus, and changes nothing.
func TestPreflight(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	before := serving(t, c, 1)
	for _, step := range []struct{ build, refusal string }{
		{"v2", ""},
		{"object", "preflight refused: the successor refused: no backend  at all"},
		{"v2", ""},
	} {
		u.deploy(step.build)
		err := c.Preflight(t.Context())
		switch {
		case step.refusal == "" && err != nil:
			t.Errorf("%s: %v", step.build, err)
		case step.refusal != "" && (!errors.Is(err, ErrRefused) || err.Error() != step.refusal):
			t.Errorf("%s: %v, want %s", step.build, err, step.refusal)
		}
	}
	if after := serving(t, c, 1); after.MainPID != before.MainPID || after.Attempts != 0 || after.Verdict.Attempt != 0 {
		t.Errorf("it says %+v", after)
	}
	// The refused build is no obstacle to others, nor is its refusal to an upgrade.
	u.deploy("object")
	if v, err := c.Upgrade(t.Context()); err != nil || v.Err != nil {
		t.Errorf("%v, %v", v, err)
	}
	serving(t, c, 2)
	if err := c.Preflight(t.Context()); !errors.Is(err, ErrRefused) {
		t.Errorf("of generation 2: %v", err)
	}
}

// A service of a build that knows no preflight, and none.
func TestNoPreflight(t *testing.T) {
	b := startBus(t, open)
	c := b.client()
	if err := c.Preflight(t.Context()); !errors.Is(err, ErrAbsent) {
		t.Errorf("%v, want ErrAbsent", err)
	}
	old := b.dial()
	defer old.Close()
	if err := old.ExportMethodTable(map[string]any{"Upgrade": func() *dbus.Error { return nil }}, Path, Interface); err != nil {
		t.Fatal(err)
	}
	if _, err := old.RequestName(testName, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Preflight(t.Context()); !errors.Is(err, ErrNoPreflight) {
		t.Errorf("%v, want ErrNoPreflight", err)
	}
}
