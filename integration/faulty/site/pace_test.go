package site

import (
	"os"
	"testing"
	"time"
)

func TestScaled(t *testing.T) {
	if s := Slowness(); s < 1 {
		t.Errorf("the machine is %v times as slow as one that is idle", s)
	}
	if d := Scaled(time.Second); d < time.Second {
		t.Errorf("a second becomes %v", d)
	}
}

// Work that is run takes at least as long as it runs.
func TestStretched(t *testing.T) {
	if s := stretched(time.Millisecond); s < 1 {
		t.Errorf("it took %v times as long as it ran", s)
	}
}

func TestInsidePID(t *testing.T) {
	if pid := insidePID(os.Getpid()); pid != os.Getpid() {
		t.Errorf("this process is %d, not %d", pid, os.Getpid())
	}
	if pid := insidePID(4_000_000); pid != 0 {
		t.Errorf("no process is %d", pid)
	}
}
