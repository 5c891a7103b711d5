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

// started is what has become of it.
type started struct {
	from *starting
	next *successor
	err  error
}

// maxStarts is how often a successor is started that somebody kills by the reload
// signal before it can handle it.
const maxStarts = 4

// strayPause is how long to wait before the start of the n-th process for an attempt.
// systemd looks for new processes of a unit that it signals until it finds none.
func strayPause(n int) time.Duration {
	const shortest = 100 * time.Millisecond
	if n <= 1 {
		return 0
	}
	return shortest << (n - 2)
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
			next, err := s.spawn(ctx)
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

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// abandon ends a process that nobody wants any more.
func (r started) abandon() {
	if r.next == nil {
		return
	}
	_ = r.next.process.Kill()
	_, _ = r.next.process.Wait()
	r.next.line.Close()
}

// startEnded takes what has become of a start.
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
	r.next.start = s.starts
	s.successor = r.next
	s.await(r.next)
	s.log.Info("upgrade begun", "attempt", s.attempt, "successor", r.next.process.Pid)
}
