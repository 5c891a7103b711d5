package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// retryPause is how long a queue waits that the manager's socket has refused: the
// socket may come back, and no event tells when.
const retryPause = time.Second

// errSuperseded ends the wait for a message that need not be sent any more.
var errSuperseded = errors.New("superseded: a later message says all of it anew")

// Ticket is a claim on one message: it gets sent, or it never will be.
type Ticket struct {
	n    *Notifier
	text []byte
	fds  []int // borrowed until done
	kept bool  // until it is sent, withdrawn or superseded; else an error ends it

	withdrawn error         // why, for the goroutine that is sending it
	done      chan struct{} // closed when there is an outcome
	err       error         // nil: sent; written before done is closed
}

// closed is the done of a ticket that never had to wait.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Post sends fields as [Notifier.Send] does, if that is possible at once. If not, the
// message is kept and sent in the background as soon as it can be, in the order of the
// calls: before later messages, barriers included. Post itself never waits. It is for
// messages that must reach the service manager, however long that takes.
//
// A message that has not left yet is dropped when a later one assigns all of its
// variables anew: an old STATUS= is of no use beside a new one. MAINPID= is exempt,
// for its order matters. A lone [Watchdog] is never kept: sent late, it would vouch
// for a moment that has passed.
//
// Descriptors attached to fields stay borrowed until [Ticket.Done]. Invalid fields end
// the ticket at once, with an error that matches [ErrInvalid]; see [Notifier.Report]
// to hear of it without a look at the ticket.
func (n *Notifier) Post(fields ...Field) *Ticket {
	if n == nil {
		return &Ticket{done: closed}
	}
	n.mu.Lock()
	text, fds, err := encode(n.buf[:0], fields)
	if err != nil {
		report := n.report
		n.mu.Unlock()
		t := &Ticket{done: closed, err: fmt.Errorf("notify: %w; nothing was sent", err)}
		if report != nil {
			report(t.err)
		}
		return t
	}
	defer n.mu.Unlock()
	n.buf = text
	err = n.now(text, fds)
	switch {
	case err == nil:
		return &Ticket{done: closed}
	case n.closed, string(text) == "WATCHDOG=1":
		return &Ticket{done: closed, err: n.failure(text, err)}
	}
	n.supersede(text)
	return n.enqueue(text, fds, true)
}

// Done returns a channel that is closed when the message has been sent, or will never
// be; Wait then returns which, at once.
func (t *Ticket) Done() <-chan struct{} { return t.done }

// Wait returns nil once the message is in the manager's queue. When ctx ends before,
// it withdraws the message, and returns an error that wraps the context's. Any error
// means that the message has not been sent and never will be. Given a ctx that has
// ended it withdraws at once, except for a message that is just being sent: its fate
// is known within a tenth of a second (five seconds over vsock).
func (t *Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.done:
		return t.err
	default:
	}
	select {
	case <-t.done:
	case <-ctx.Done():
		t.n.withdraw(t, context.Cause(ctx))
		<-t.done
	}
	return t.err
}

// Flush waits until every message posted so far has been sent or dropped. The error is
// that of ctx, and counts the unsent messages; they stay posted until Close.
func (n *Notifier) Flush(ctx context.Context) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	waiting := slices.Clone(n.queue)
	n.mu.Unlock()
	for _, t := range waiting {
		select {
		case <-t.done:
		case <-ctx.Done():
			return n.failure(t.text, context.Cause(ctx))
		}
	}
	return nil
}

// Report makes f hear of trouble with messages that were posted: of an error, once, when
// the manager's socket refuses them or has been full for five seconds, and of nil when
// it takes them again; of each message with invalid fields. f must not wait. Call Report
// before the first Post.
func (n *Notifier) Report(f func(error)) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.report = f
}

// now sends a message at once, or fails with EAGAIN. n.mu is held.
func (n *Notifier) now(text []byte, fds []int) error {
	switch {
	case n.closed:
		return os.ErrClosed
	case len(n.queue) > 0:
		return unix.EAGAIN // it is not its turn
	}
	return n.transport.try(text, fds)
}

// enqueue puts a copy of a message at the end of the queue. n.mu is held.
func (n *Notifier) enqueue(text []byte, fds []int, kept bool) *Ticket {
	t := &Ticket{n: n, text: slices.Clone(text), fds: fds, kept: kept, done: make(chan struct{})}
	n.queue = append(n.queue, t)
	if n.working == nil {
		n.working = make(chan struct{})
		go n.work(n.working)
	} else {
		n.hurry()
	}
	return t
}

// hurry ends the pause after an error. n.mu is held.
func (n *Notifier) hurry() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// supersede drops queued messages that are of no use beside a new one. n.mu is held.
func (n *Notifier) supersede(text []byte) {
	fresh := assigned(text)
	for _, t := range slices.Clone(n.queue) {
		moot := t.kept && t != n.sending
		for key := range assigned(t.text) {
			moot = moot && fresh[key] && key != "MAINPID"
		}
		if moot {
			n.finish(t, n.failure(t.text, errSuperseded))
		}
	}
}

// withdraw takes t out of the queue, or tells the goroutine that is sending it.
func (n *Notifier) withdraw(t *Ticket, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case t == n.sending:
		t.withdrawn = why
	case slices.Contains(n.queue, t):
		n.finish(t, n.failure(t.text, why))
	}
}

// finish gives t, which is in the queue, its outcome. n.mu is held.
func (n *Notifier) finish(t *Ticket, err error) {
	i := slices.Index(n.queue, t)
	n.queue = slices.Delete(n.queue, i, i+1)
	t.err = err
	close(t.done)
}

// work sends the queue, in order, until it is empty.
func (n *Notifier) work(done chan struct{}) {
	defer close(done)
	began := time.Now() // with the head of the queue
	var told bool       // of trouble
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.queue) > 0 && !n.closed {
		t := n.queue[0]
		n.sending = t
		n.mu.Unlock()
		err := n.transport.send(t.text, t.fds)
		n.mu.Lock()
		n.sending = nil
		full := errors.Is(err, unix.EAGAIN)
		switch {
		case err == nil:
			n.finish(t, nil)
			began = time.Now()
			if told {
				told = false
				n.tell(nil)
			}
			continue
		case n.closed:
			continue // Close ends them all
		case t.withdrawn != nil:
			n.finish(t, n.failure(t.text, t.withdrawn))
		case !full && !t.kept:
			n.finish(t, n.failure(t.text, err))
		case !full:
			// The others would fail in the same way, and somebody waits.
			for _, other := range slices.Clone(n.queue) {
				if !other.kept {
					n.finish(other, n.failure(other.text, err))
				}
			}
		}
		if t.kept && !told && (!full || time.Since(began) > n.timeout) {
			told = true
			n.tell(n.failure(t.text, err))
		}
		if t.kept && !full {
			n.pause()
		}
	}
	n.working = nil
}

// tell calls the function of Report. n.mu is held, but not during the call.
func (n *Notifier) tell(err error) {
	if n.report == nil {
		return
	}
	n.mu.Unlock()
	defer n.mu.Lock()
	n.report(err)
}

// pause waits before the next try. n.mu is held, but not meanwhile.
func (n *Notifier) pause() {
	n.mu.Unlock()
	defer n.mu.Lock()
	select {
	case <-n.woken:
	case <-time.After(retryPause):
	}
}

// assigned returns the variables that a datagram assigns.
func assigned(text []byte) map[string]bool {
	keys := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		key, _, _ := strings.Cut(line, "=")
		keys[key] = true
	}
	return keys
}
