package reload

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
)

// successor is the process that is to follow this one, from here.
type successor struct {
	process *os.Process
	line    *handover.Conn
	build   string
	adopts  bool     // it wants what is in the store
	left    []string // what it was started without: see Command.LeftBehind
	started time.Time
	late    *time.Timer // runs while something is expected of the successor

	lastWords atomic.Pointer[os.File] // where it says why it crashes; nil: nowhere
	end       *failure                // how it ended by itself; nil until SuccessorDied
}

// drainGrace is how long a successor that has failed its probation may take to
// exit when its time to drain is over.
const drainGrace = 5 * time.Second

// spawn starts a successor and greets it. What becomes of it arrives as events.
func (s *Service) spawn() (*successor, error) {
	start, line, theirs, err := s.prepare(context.Background())
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	files, opened, left := s.successorStdio()
	for _, f := range opened {
		defer f.Close()
	}
	var process *os.Process
	err = whenNotBusy(func() error {
		process, err = os.StartProcess(start.path, start.Argv, &os.ProcAttr{
			Dir:   start.Dir,
			Env:   successorEnviron(start.Environ, s.notifier.Address()),
			Files: withoutOthers(append(files, theirs)),
		})
		return err
	})
	if err != nil {
		line.Close()
		return nil, start.failed(err)
	}
	next := &successor{process: process, line: line, started: time.Now(), left: bounded(slices.Concat(start.LeftBehind, left))}
	next.late = time.AfterFunc(s.config.ReadyTimeout, func() {
		err := timedOut(process.Pid, s.Phase(), s.config.ReadyTimeout)
		s.post(next, generation.Event{Kind: generation.SuccessorLate, Err: err})
	})
	go s.watch(next)
	// It reads this, or it dies and watch says so.
	if err := line.Greet(s.hello(start.StartedWith), s.descriptors()); err != nil {
		s.log.Debug("greeting", "error", err)
	}
	return next, nil
}

func (s *Service) hello(startedWith string) handover.Hello {
	return handover.Hello{
		Protocol:   handover.Current,
		Generation: s.generation + 1,
		Attempt:    s.attempt,
		PID:        s.pid,
		Build:      s.config.Build,

		StartedWith: startedWith,
		Stdout:      s.logs[0],
		Stderr:      s.logs[1],
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

// watch turns what the successor says, and its death, into events: every
// message first, the death last.
func (s *Service) watch(next *successor) {
	silent := make(chan struct{})
	go func() {
		defer close(silent)
		s.listen(next)
	}()
	state, err := next.process.Wait()
	next.late.Stop()
	select {
	case <-silent:
	case <-time.After(time.Second):
		// Somebody else holds the other end: it has said nothing that counts.
	}
	next.line.Close()
	if err == nil {
		next.end = ended(state, next.remark())
		err = next.end
		if killedBy(state, syscall.SIGKILL) {
			next.end = nil // it did not end by itself
		}
	} else {
		err = fmt.Errorf("%w: %w", ErrCrashed, err)
	}
	s.post(next, generation.Event{Kind: generation.SuccessorDied, Err: err})
}

func (s *Service) listen(next *successor) {
	err := s.eachMessage(next.line, func(m handover.Message, fds []int) {
		switch m.(type) {
		case handover.Stored, handover.Removed:
			s.heardOfStore(m, fds)
		case handover.Line, handover.Cut:
			s.heardFromMain(m, fds)
		case handover.LastWords:
			next.listenToLastWords(fds)
		default:
			closeAll(fds)
			e, ok := heardFromSuccessor(next, m)
			if !ok {
				return
			}
			if e.Kind == generation.SuccessorUnhealthy {
				// It finishes what it has accepted, and nobody else would notice if
				// it hangs in that.
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
		next.late.Stop()
		next.build, next.adopts = m.Build, m.Adopts
		return generation.Event{Kind: generation.SuccessorReady, Probation: m.ProbationUSec > 0}, true
	case handover.Adopted:
		next.late.Stop()
		return generation.Event{Kind: generation.SuccessorAdopted}, true
	case handover.Refuse:
		return generation.Event{Kind: generation.SuccessorRefused, Err: refused(m)}, true
	case handover.Alive:
		next.late.Reset(heartbeatTimeout)
		return generation.Event{}, false
	case handover.Proven:
		next.late.Stop()
		return generation.Event{Kind: generation.SuccessorProven}, true
	case handover.Unhealthy:
		next.late.Stop()
		return generation.Event{Kind: generation.SuccessorUnhealthy, Err: heard(ErrUnhealthy, m.Reason, m.Public, m.Errno)}, true
	case handover.Superseded:
		return generation.Event{Kind: generation.SuccessorSuperseded}, true
	case handover.Resumed:
		return generation.Event{Kind: generation.SuccessorResumed}, true
	case handover.Stopping:
		return generation.Event{Kind: generation.SuccessorStopping}, true
	}
	return generation.Event{}, false
}

// speaks returns why this build cannot talk to one that speaks v; nil: it can.
func speaks(v handover.Version) error {
	if handover.Current.Speaks(v) {
		return nil
	}
	return openly(fmt.Errorf("%w: %w", ErrProtocol, &handover.VersionError{Ours: handover.Current, Theirs: v}))
}

// refused is the reason of a build that will not follow.
func refused(m handover.Refuse) error {
	kind := ErrRefused
	if !handover.Current.Speaks(m.Protocol) {
		kind = ErrProtocol
	}
	f := heard(kind, m.Reason, m.Public, m.Errno)
	if m.Unexplained {
		f.causes = append(f.causes, errUnexplained)
	}
	return f
}
