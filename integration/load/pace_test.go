package load

import (
	"testing"
	"time"
)

func TestPaceKeepsItsRate(t *testing.T) {
	now := time.Now()
	p := newPace(Clients{Count: 10, Rate: 100}, now) // ten clients: each every 100 ms
	begin, steps := now, 0
	for ; steps < 1000; steps++ {
		now = now.Add(p.step(now)).Add(time.Duration(steps%7) * 10 * time.Millisecond) // work that takes up to 60 ms
	}
	if got := now.Sub(begin); got < 99*time.Second || got > 101*time.Second {
		t.Errorf("%d steps took %v, want 100 s", steps, got)
	}
}

func TestPaceDoesNotCatchUp(t *testing.T) {
	now := time.Now()
	p := newPace(Clients{Count: 1, Rate: 10}, now)
	now = now.Add(p.step(now)).Add(time.Minute) // the step took a minute
	atOnce := 0
	for p.step(now) == 0 {
		atOnce++
	}
	if atOnce > 2 {
		t.Errorf("%d steps at once after a long wait, want at most 2", atOnce)
	}
}
