package intake

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// gate lets everything that takes work in (accept, receive) through or makes it
// wait. Only the gate moves from one generation to the next: the descriptors stay
// open in both.
type gate struct {
	mu     sync.Mutex
	change *sync.Cond
	open   bool
	inside int // calls that are in accept(2) or recvmsg(2), or about to be
	doors  map[*door]struct{}
}

// door is one descriptor's way through the gate.
type door struct {
	gate   *gate
	op     string // as package net calls it: "accept" or "read"
	socket socket
	// setDeadline ends the call that is under way, or lets calls through again.
	setDeadline func(time.Time) error
	deadline    time.Time // as the application has set it
	closed      bool
}

// socket is a socket of the service: the name it has in the unit, and where it is bound.
type socket struct {
	name string
	addr net.Addr
}

func (s socket) String() string { return fmt.Sprintf("%s (%s)", s.name, s.addr) }

func newGate() *gate {
	g := &gate{doors: make(map[*door]struct{})}
	g.change = sync.NewCond(&g.mu)
	return g
}

func (g *gate) newDoor(op string, socket socket, setDeadline func(time.Time) error) *door {
	d := &door{gate: g, op: op, socket: socket, setDeadline: setDeadline}
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

// sockets is the set of those that the application has open.
func (g *gate) sockets() map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	open := make(map[string]bool)
	for d := range g.doors {
		open[d.socket.String()] = true
	}
	return open
}

// wait waits for a change, until a moment at most; zero: for ever. g.mu is held.
func (g *gate) wait(until time.Time) {
	if !until.IsZero() {
		timer := time.AfterFunc(time.Until(until), func() {
			g.mu.Lock() // else it might come before the wait
			defer g.mu.Unlock()
			g.change.Broadcast()
		})
		defer timer.Stop()
	}
	g.change.Wait()
}

// through makes a call once the gate is open, and again for as long as the gate or
// passing trouble of the network is all that has ended it.
func (d *door) through(log *slog.Logger, call func() error) error {
	var trouble trouble
	for {
		if err := d.enter(); err != nil {
			return &net.OpError{Op: d.op, Net: d.socket.addr.Network(), Addr: d.socket.addr, Err: err}
		}
		err := call()
		if again := d.leave(err); again {
			continue
		}
		pause := trouble.pause(err)
		if pause == 0 {
			return err
		}
		if trouble.inARow == 1 {
			log.Warn("a socket has trouble; trying again", "socket", d.socket.String(), "error", err)
		}
		d.pause(pause)
	}
}

// enter waits until the gate is open. It fails once the door is closed, and when the
// application's deadline has passed.
func (d *door) enter() error {
	g := d.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.open && !d.closed {
		if d.expired() {
			return os.ErrDeadlineExceeded
		}
		g.wait(d.deadline)
	}
	if d.closed {
		return net.ErrClosed
	}
	g.inside++
	return nil
}

// expired reports whether the application's deadline has passed; gate.mu is held.
func (d *door) expired() bool { return !d.deadline.IsZero() && !time.Now().Before(d.deadline) }

// pause waits in front of the door, unless it is closed.
func (d *door) pause(length time.Duration) {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	for until := time.Now().Add(length); !d.closed && time.Now().Before(until); {
		d.gate.wait(until)
	}
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
		return errors.Is(err, os.ErrDeadlineExceeded) && !d.expired()
	}
	if g.inside == 0 {
		g.change.Broadcast()
	}
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// SetDeadline is the application's. It ends a wait at a closed gate as well: many
// libraries end their readers so, and then wait for them.
func (d *door) SetDeadline(t time.Time) error {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	d.deadline = t
	if !d.gate.open {
		d.gate.change.Broadcast()
		return nil
	}
	return d.setDeadline(t)
}

// close lets go of all callers that wait at this door.
func (d *door) close() {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	d.closed = true
	delete(d.gate.doors, d)
	d.gate.change.Broadcast()
}
