package units

import (
	"strings"
	"testing"
)

// On a machine that is not slow the limits are those of the unit.
func TestSlow(t *testing.T) {
	for line := range strings.Lines(Slow(1)) {
		if !strings.Contains(line, SlownessVariable) && !strings.Contains(Service, line) {
			t.Errorf("the unit has no line %q", line)
		}
	}
	if !strings.Contains(Slow(4), "WatchdogSec=12s\n") {
		t.Errorf("four times as slow: %s", Slow(4))
	}
}
