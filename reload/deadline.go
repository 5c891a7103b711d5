package reload

import (
	"sync"
	"time"
)

// deadline calls a function when its time is over. Before the call it allows a last
// moment: after a SIGCONT the time is over at once, while messages that came meanwhile
// have not been read yet.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	passed  func()
	lenient bool // the last moment is still to come
}

// leniency is that last moment.
const leniency = 250 * time.Millisecond

// newDeadline makes one that is not set.
func newDeadline(passed func()) *deadline {
	d := &deadline{passed: passed}
	d.timer = time.AfterFunc(time.Hour, d.fire)
	d.timer.Stop()
	return d
}

// set makes the deadline that far from now.
func (d *deadline) set(after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lenient = true
	d.timer.Reset(after)
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lenient = false
	d.timer.Stop()
}

func (d *deadline) fire() {
	d.mu.Lock()
	if d.lenient {
		d.lenient = false
		d.timer.Reset(leniency)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	d.passed()
}
