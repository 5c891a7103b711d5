package reload

import (
	"context"
	"errors"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
)

// [Config.Health] returns ErrProven, or wraps it, to end a probation early: this
// generation is well, and needs no more time to prove it.
var ErrProven = errors.New("proven")

const (
	// heartbeat is how often a successor in its probation says that it is well.
	heartbeat = 500 * time.Millisecond
	// heartbeatTimeout is how long its predecessor waits for that: a machine may
	// be busy, and a hung release has done little harm by then.
	heartbeatTimeout = 5 * time.Second
)

// beginProbation watches this process until it has proven itself, or failed to.
func (s *Service) beginProbation() {
	s.log.Info("probation", "for", s.config.Probation)
	s.say(extension(s.config.Probation))
	go func() {
		err := s.prove()
		if err != nil {
			s.post(nil, generation.Event{Kind: generation.ProbationFailed, Err: err})
			return
		}
		s.post(nil, generation.Event{Kind: generation.ProbationPassed})
	}()
}

// prove returns nil once this process has proven itself, or why it has not. It says
// that it is alive meanwhile, however long Health takes.
func (s *Service) prove() error {
	end := time.NewTimer(s.config.Probation)
	defer end.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	answers := make(chan error, 1)
	asking := false
	for {
		s.tell(handover.Alive{})
		if !asking {
			asking = true
			go func() { answers <- s.health() }()
		}
		select {
		case err := <-answers:
			asking = false
			switch {
			case errors.Is(err, ErrProven):
				return nil
			case err != nil:
				return err
			}
			select {
			case <-end.C:
				return nil
			case <-s.done:
				return nil
			case <-beat.C:
			}
		case <-end.C:
			if err := <-answers; err != nil && !errors.Is(err, ErrProven) {
				return err
			}
			return nil
		case <-s.done:
			return nil
		case <-beat.C:
		}
	}
}

func (s *Service) health() error {
	if s.config.Health == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), heartbeatTimeout)
	defer cancel()
	return s.config.Health(ctx)
}
