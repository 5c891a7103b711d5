package reload

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"

	"golang.org/x/sys/unix"
)

// successor is the process that is to follow this one, from here.
type successor struct {
	launched
	build  string
	adopts bool      // it wants the entries of the store
	poises bool      // it says when this process may end
	start  int       // its number in the attempt, from 1
	late   *deadline // for the message that is expected of the successor

	heard      atomic.Bool   // it has said something
	superseded atomic.Bool   // it has a successor of its own, or is about to
	stopping   atomic.Bool   // it was told to stop
	poised     chan struct{} // closed when it is ready to be without this process
	ended      chan struct{} // closed when its process has gone

	lastWords atomic.Pointer[os.File] // where it says why it crashes; nil: nowhere
	end       *failure                // how it ended by itself; nil until SuccessorDied
}

// drainGrace is how long a successor that has failed its probation may take to
// exit when its time to drain is over.
const drainGrace = 5 * time.Second

func newSuccessor(l launched, start int) *successor {
	return &successor{launched: l, start: start, poised: make(chan struct{}), ended: make(chan struct{})}
}

// await greets the successor, and begins to watch it.
func (s *Service) await(next *successor) {
	hello := s.hello(next.command.StartedWith)
	next.late = newDeadline(func() {
		err := timedOut(next.process.Pid, s.Phase(), s.config.ReadyTimeout)
		s.post(next, generation.Event{Kind: generation.SuccessorLate, Err: err})
	})
	next.expect(s.config.ReadyTimeout)
	go s.watch(next)
	go func() {
		if err := next.line.Greet(hello, s.descriptors()); err != nil {
			s.unreachable(next, err)
		}
	}()
}

// unreachable says that the successor could not be sent its descriptors. If the
// reason is its death, that says more.
func (s *Service) unreachable(next *successor, err error) {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, net.ErrClosed) {
		return
	}
	s.post(next, generation.Event{Kind: generation.SuccessorUnreachable, Err: handoverFailed(err)})
}

func (next *successor) expect(d time.Duration) { next.late.set(d) }

func (next *successor) tell(log *slog.Logger, m handover.Message) {
	if err := next.line.Send(m); err != nil {
		log.Debug("successor", "error", err) // it has died, and watch says so
	}
}

func (s *Service) hello(startedWith string) handover.Hello {
	return handover.Hello{
		Protocol:   handover.Current,
		Generation: s.generation + 1,
		Attempt:    s.attempt,
		PID:        s.pid,
		Build:      s.config.Build,

		StartedWith: startedWith,
		Stdout:      s.launcher.logs[0],
		Stderr:      s.launcher.logs[1],

		DrainUSec: s.config.DrainTimeout.Microseconds(),
		EndUSec:   s.config.EndTimeout.Microseconds(),
		Older:     s.elders.older(),
		Killed:    int(s.shown.killed.Load()),
	}
}

// descriptors is all that goes over to the successor, borrowed.
func (s *Service) descriptors() []handover.Descriptor {
	var all []handover.Descriptor
	for _, e := range s.sockets.Entries() {
		all = append(all, handover.Descriptor{Name: e.Name, FD: e.FD})
	}
	return all
}

// watch turns the successor's messages, and its death, into events: every message
// first, the death last.
func (s *Service) watch(next *successor) {
	silent := make(chan struct{})
	go func() {
		defer close(silent)
		s.listen(next)
	}()
	status, err := awaitExit(next.process.Pid)
	go s.reap(next)
	close(next.ended)
	next.late.stop()
	select {
	case <-silent:
	case <-time.After(time.Second):
		// Somebody else holds the other end: it has said nothing that counts.
	}
	next.line.Close()
	kind := generation.SuccessorDied
	if err == nil {
		next.end = ended(next.process.Pid, status, next.remark())
		err = next.end
		if killedBy(status, syscall.SIGKILL) {
			next.end = nil // it did not end by itself
		}
		if killedBy(status, reloadSignal) && !next.heard.Load() && next.start < maxStarts {
			kind = generation.SuccessorStrayed
		}
	} else {
		err = fmt.Errorf("%w: %w", ErrCrashed, err)
	}
	if !s.post(next, generation.Event{Kind: kind, Err: err}) {
		s.endAfter(next, err)
	}
}

// endAfter ends this process when it has served and drained, its program still has to
// end, and the main process has died meanwhile. As long as this process lives, it is
// that one's parent, and systemd does not notice.
func (s *Service) endAfter(next *successor, died error) {
	if !s.handedOver.Load() || next.superseded.Load() || next.stopping.Load() {
		return
	}
	s.log.Error("the main process has died, and systemd learns of that when this one has gone, so it ends", "reason", died)
	time.Sleep(lastMoment)
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
}

func (s *Service) listen(next *successor) {
	err := s.eachMessage(next.line, func(m handover.Message, fds []int) {
		next.heard.Store(true)
		switch m.(type) {
		case handover.Stored, handover.Removed:
			s.keeping.heard(m, fds)
		case handover.Line, handover.Cut:
			s.heardFromMain(m, fds)
		case handover.LastWords:
			next.listenToLastWords(fds)
		default:
			descriptor.CloseAll(fds)
			e, ok := heardFromSuccessor(next, m)
			if !ok {
				return
			}
			if e.Kind == generation.SuccessorUnhealthy {
				// It finishes the connections that it has accepted, and no other
				// process would notice if it hangs in that.
				time.AfterFunc(s.config.DrainTimeout+drainGrace, func() { _ = next.process.Kill() })
			}
			s.post(next, e)
		}
	})
	if err != nil {
		s.post(next, generation.Event{Kind: generation.SuccessorGarbled, Err: fmt.Errorf("%w: %w", ErrProtocol, err)})
	}
}

func heardFromSuccessor(next *successor, m handover.Message) (generation.Event, bool) {
	switch m := m.(type) {
	case handover.Ready:
		if err := speaks(m.Protocol); err != nil {
			return generation.Event{Kind: generation.SuccessorGarbled, Err: err}, true
		}
		next.late.stop()
		next.build, next.adopts, next.poises = m.Build, m.Adopts, m.Poises
		return generation.Event{Kind: generation.SuccessorReady, Probation: m.ProbationUSec > 0}, true
	case handover.Adopted:
		next.late.stop()
		return generation.Event{Kind: generation.SuccessorAdopted}, true
	case handover.Refuse:
		return generation.Event{Kind: generation.SuccessorRefused, Err: refused(m)}, true
	case handover.Alive:
		next.expect(heartbeatTimeout)
		return generation.Event{}, false
	case handover.Proven:
		next.late.stop()
		return generation.Event{Kind: generation.SuccessorProven}, true
	case handover.Unhealthy:
		next.late.stop()
		return generation.Event{Kind: generation.SuccessorUnhealthy, Err: heard(ErrUnhealthy, m.Reason, m.Public, m.Errno)}, true
	case handover.Poised:
		select {
		case <-next.poised:
		default:
			close(next.poised)
		}
		return generation.Event{}, false
	case handover.Superseded:
		next.superseded.Store(true)
		return generation.Event{Kind: generation.SuccessorSuperseded}, true
	case handover.Resumed:
		next.superseded.Store(false)
		return generation.Event{Kind: generation.SuccessorResumed}, true
	case handover.Stopping:
		next.stopping.Store(true)
		return generation.Event{Kind: generation.SuccessorStopping}, true
	}
	return generation.Event{}, false
}
