package reload

import (
	"cmp"
	"fmt"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
)

// predecessor is the process that this one follows, from here.
type predecessor struct {
	line    *handover.Conn
	pid     int
	build   string
	attempt int           // the upgrade that has started this process
	drain   time.Duration // how long it may drain; 0: it has not said
	end     time.Duration // how long it may live after that; 0: it has not said
	began   time.Time     // when it has greeted this process
}

// arrive takes over from the predecessor, if this process is a successor.
func (s *Service) arrive() error {
	line, ok, err := takeLine(handoverVariable)
	if err != nil || !ok {
		return err
	}
	hello, descriptors, err := line.Greeted()
	if err != nil {
		line.Close()
		return fmt.Errorf("reload: %w", err)
	}
	if s.sockets, err = activation.New(entries(descriptors)); err != nil {
		_ = line.Send(refusal(openly(err)))
		line.Close()
		return fmt.Errorf("reload: %w", err)
	}
	s.predecessor = &predecessor{
		line: line, pid: hello.PID, build: hello.Build, attempt: hello.Attempt, began: time.Now(),
		drain: time.Duration(hello.DrainUSec) * time.Microsecond,
		end:   time.Duration(hello.EndUSec) * time.Microsecond,
	}
	s.elders.know(hello.Older)
	s.shown.killed.Store(int64(hello.Killed))
	s.generation, s.attempt = hello.Generation, hello.Attempt
	s.launcher.note.text = hello.StartedWith
	logs := &s.launcher.logs
	logs[0], logs[1] = cmp.Or(hello.Stdout, logs[0]), cmp.Or(hello.Stderr, logs[1])
	s.shown.attempts.Store(int64(s.attempt))
	s.promiseLastWords()
	return nil
}

// follow turns the predecessor's messages, and its end, into events.
func (s *Service) follow(p *predecessor) {
	defer func() {
		s.elders.gone(p.line)
		s.shown.changed()
		awaitEnd(p.pid)
		s.post(nil, generation.Event{Kind: generation.PredecessorGone})
	}()
	err := s.eachMessage(p.line, func(m handover.Message, fds []int) {
		if _, ok := m.(handover.Elder); ok {
			s.meet(fds)
			return
		}
		descriptor.CloseAll(fds)
		switch m := m.(type) {
		case handover.Draining:
			s.heardOfDrain(p.line, m)
			if m.Ends {
				go s.poise(p)
			}
		case handover.State:
			descriptors, err := p.line.TakeState(m)
			if err != nil {
				s.post(nil, generation.Event{Kind: generation.GaveUp, Err: fmt.Errorf("reload: taking the state: %w", err)})
				return
			}
			s.keeping.offer(entries(descriptors))
			s.post(nil, generation.Event{Kind: generation.StateOffered})
		case handover.Takeover:
			s.expectTakeover(p)
			s.post(m, generation.Event{Kind: generation.TakeoverBegun})
		case handover.TakenOver:
			s.expectEnd(p, s.config.Probation)
			s.post(nil, generation.Event{Kind: generation.TakenOver, Probation: s.config.Probation > 0})
		case handover.Verdict:
			s.verdicts.learn(m.Verdict())
			s.post(nil, generation.Event{Kind: generation.Confirmed})
			s.shown.changed()
		case handover.Released:
			s.expectEnd(p, 0)
			s.post(nil, generation.Event{Kind: generation.Released})
		}
	})
	if err != nil {
		s.log.Debug("predecessor", "error", err)
	}
}

// tell says something to the predecessor. A predecessor that has gone shows as
// the end of its line, not here.
func (s *Service) tell(m handover.Message, fds ...int) {
	if s.predecessor == nil {
		return
	}
	if err := s.predecessor.line.Send(m, fds...); err != nil {
		s.log.Debug("predecessor", "error", err)
	}
}

func entries(descriptors []handover.Descriptor) []activation.Entry {
	all := make([]activation.Entry, len(descriptors))
	for i, d := range descriptors {
		all[i] = activation.Entry{Name: d.Name, FD: d.FD}
	}
	return all
}
