package reload

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/internal/limits"
)

// Running is one run of a library's server, for [Graceful] and [GracefulPackets]. Its
// fields have the names that such methods have in libraries, so that a method value is
// all there is to write. Of Shutdown and GracefulStop one is set at most, and of Close
// and Stop; where neither is, the connections of the run are waited for, and cut at the
// deadline of the drain.
type Running struct {
	// Serve serves until the listener is closed, or the run is ended by what follows. If
	// it returns before, this generation ends.
	Serve func() error

	// Shutdown or GracefulStop ends the run when what is under way has ended. It may
	// close the listener, and return before or after Serve. Shutdown's context ends at
	// the deadline of the drain.
	Shutdown     func(context.Context) error
	GracefulStop func()

	// Close or Stop ends the run with whatever is under way: after Shutdown or
	// GracefulStop where that has not returned by the deadline, or has failed.
	Close func() error
	Stop  func()

	// Linger is how long the run goes on in a drain, while there are connections, before
	// Shutdown or GracefulStop is called, which in many libraries closes connections that
	// seem idle: the request on a connection that has just been accepted may be on its
	// way. Zero: 1 s; negative: not at all. When the service stops, half a
	// second is the most.
	Linger time.Duration
}

// stopLinger is the most where nobody else answers meanwhile.
const stopLinger = 500 * time.Millisecond

// run is a Running and where it stands.
type run struct {
	Running
	socket   io.Closer     // its own
	made     chan struct{} // closed when Running is known
	asked    atomic.Bool   // to come to its end
	lingered chan struct{} // closed when it need not go on any longer
	leaving  sync.Once     // of lingered
	ended    sync.Once
}

func newRun(socket io.Closer) *run {
	return &run{socket: socket, made: make(chan struct{}), lingered: make(chan struct{})}
}

// finish lets the run come to its end, which is a piece of work that begin announces.
// Only the first call counts.
func (r *run) finish(deadline time.Time, begin func() (done func())) {
	if r.asked.Swap(true) {
		return
	}
	done := begin()
	go func() {
		defer done()
		<-r.made
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		r.hurry(r.linger())
		select {
		case <-r.lingered:
		case <-ctx.Done():
		}
		if err := r.shutdown(ctx); err != nil {
			r.end()
		}
		r.socket.Close()
	}()
}

func (r *run) linger() time.Duration {
	if r.Linger == 0 {
		return limits.Linger
	}
	return r.Linger
}

// hurry makes the run linger no longer than that from now on.
func (r *run) hurry(most time.Duration) {
	leave := func() { r.leaving.Do(func() { close(r.lingered) }) }
	if most <= 0 {
		leave()
		return
	}
	time.AfterFunc(most, leave)
}

// leave lets a run that was asked to come to its end accept no more. It may have answers
// to send on a packet conn yet, and answers what it receives on that meanwhile.
func (r *run) leave() {
	r.hurry(0)
	if ln, ok := r.socket.(net.Listener); ok {
		ln.Close()
	}
}

// shutdown returns when what is under way has ended, or ctx has.
func (r *run) shutdown(ctx context.Context) error {
	over := make(chan error, 1)
	go func() {
		switch {
		case r.Shutdown != nil:
			over <- r.Shutdown(ctx)
		case r.GracefulStop != nil:
			r.GracefulStop()
			over <- nil
		default:
			over <- nil
		}
	}()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end ends the run at once. It does not wait for that.
func (r *run) end() {
	r.asked.Store(true)
	r.ended.Do(func() {
		go func() {
			<-r.made
			switch {
			case r.Stop != nil:
				r.Stop()
			case r.Close != nil:
				_ = r.Close() // much may be closed already
			}
			r.socket.Close()
		}()
	})
}
