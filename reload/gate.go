package reload

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// gate lets everything that takes work in (accept, receive) through or makes
// it wait. It is what moves from one generation to the next: the descriptors
// stay open in both.
type gate struct {
	mu     sync.Mutex
	change *sync.Cond
	open   bool
	inside int // calls that are in accept(2) or recvmsg(2), or about to be
	doors  map[*door]struct{}
}

// door is one descriptor's way through the gate.
type door struct {
	gate *gate
	// setDeadline ends the call that is under way, or lets calls through again.
	setDeadline func(time.Time) error
	deadline    time.Time // as the application has set it
	closed      bool
}

func newGate() *gate {
	g := &gate{doors: make(map[*door]struct{})}
	g.change = sync.NewCond(&g.mu)
	return g
}

func (g *gate) newDoor(setDeadline func(time.Time) error) *door {
	d := &door{gate: g, setDeadline: setDeadline}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.doors[d] = struct{}{}
	return d
}

// past ends every call under way with os.ErrDeadlineExceeded.
var past = time.Unix(1, 0)

// Open lets calls through.
func (g *gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return
	}
	g.open = true
	for d := range g.doors {
		// A door that fails here is a closed one; its caller learns it from the call.
		_ = d.setDeadline(d.deadline)
	}
	g.change.Broadcast()
}

// Close makes calls wait, and returns once none is inside.
func (g *gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = false
	for d := range g.doors {
		_ = d.setDeadline(past)
	}
	for g.inside > 0 {
		g.change.Wait()
	}
}

// enter waits until the gate is open. It fails once the door is closed.
func (d *door) enter() error {
	g := d.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.open && !d.closed {
		g.change.Wait()
	}
	if d.closed {
		return net.ErrClosed
	}
	g.inside++
	return nil
}

// leave ends what enter began. It reports whether the call, which ended with
// err, did so only because the gate was closed, and is to be made again.
func (d *door) leave(err error) (again bool) {
	g := d.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.open {
		// The deadline may be one that Close had set and Open has just taken away.
		return errors.Is(err, os.ErrDeadlineExceeded) && (d.deadline.IsZero() || time.Now().Before(d.deadline))
	}
	if g.inside == 0 {
		g.change.Broadcast()
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// SetDeadline is the application's: it holds while the gate is open.
func (d *door) SetDeadline(t time.Time) error {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	d.deadline = t
	if !d.gate.open {
		return nil
	}
	return d.setDeadline(t)
}

// close lets go of everyone who waits at this door.
func (d *door) close() {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	d.closed = true
	delete(d.gate.doors, d)
	d.gate.change.Broadcast()
}
