package reload

import (
	"context"
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/generation"
)

// The start of a successor runs beside the loop: Config.Command may ask the bus, and
// the file to start may be on a disk that does not answer.

// starting is the start of a successor that is under way.
type starting struct{ cancel context.CancelFunc }

// started is the outcome of a start.
type started struct {
	from *starting
	next launched
	err  error
}

// beginStart starts a successor: the first one of this attempt, or another.
func (s *Service) beginStart() {
	ctx, cancel := context.WithCancel(context.Background())
	one := &starting{cancel}
	s.starting = one
	s.reserve.empty()
	pause := strayPause(s.starts)
	go func() {
		ready := make(chan started, 1)
		go func() {
			sleep(ctx, pause)
			next, err := s.launcher.launch(ctx)
			ready <- started{one, next, err}
		}()
		r := started{from: one}
		select {
		case r = <-ready:
		case <-time.After(s.config.ReadyTimeout):
			cancel()
			r.err = openly(fmt.Errorf("%w: no process within %v (Config.ReadyTimeout)", ErrSpawn, s.config.ReadyTimeout))
			go func() { (<-ready).abandon() }()
		}
		select {
		case s.outcomes <- r:
		case <-s.done:
			r.abandon()
		}
	}()
}

// abandon ends a process that is not needed any more.
func (r started) abandon() {
	if r.err != nil {
		return
	}
	_ = r.next.process.Kill()
	_, _ = r.next.process.Wait()
	r.next.line.Close()
}

// startEnded takes the outcome of a start.
func (s *Service) startEnded(r started) {
	if r.from != s.starting { // which was killed
		go r.abandon()
		return
	}
	s.starting = nil
	r.from.cancel()
	if r.err != nil {
		s.step(generation.Event{Kind: generation.SpawnFailed, Err: r.err})
		return
	}
	s.successor = newSuccessor(r.next, s.starts)
	s.await(s.successor)
	s.log.Info("upgrade begun", "attempt", s.attempt, "successor", r.next.process.Pid)
}
