package reload

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
)

// Draining is an older generation that drains, as the main process knows it.
type Draining struct {
	Party
	// Connections is how many it has still open, a second ago at most.
	Connections int
	// Deadline is when it closes the rest.
	Deadline time.Time
}

// elders are the generations before this one that still live, by number.
type elders struct {
	mu  sync.Mutex
	all map[int]*elder
}

type elder struct {
	Draining
	line    *handover.Conn // nil: not yet
	cut     bool           // was told to end
	process *os.Process    // nil: it could not be found
	ends    time.Time      // when it is killed; zero: not known yet, or never
}

// get returns the elder of that generation, and makes it known; e.mu is held.
func (e *elders) get(p Party) *elder {
	one := e.all[p.Generation]
	if one == nil {
		one = &elder{}
		if e.all == nil {
			e.all = make(map[int]*elder)
		}
		e.all[p.Generation] = one
	}
	if one.process == nil && p.PID > 0 {
		// The process is alive, or was a moment ago, and from here on no other process
		// can be taken for it (pidfd_open(2)).
		one.process, _ = os.FindProcess(p.PID)
	}
	one.Party = p
	return one
}

// report takes note of the report of a generation that drains. It returns those
// that are too many, the oldest of them, each once.
func (e *elders) report(line *handover.Conn, d Draining, ends time.Time, most int) (excess []*elder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := e.get(d.Party)
	one.Draining, one.line, one.ends = d, line, ends
	all := e.sorted()
	for _, old := range all[:max(0, len(all)-most)] {
		if !old.cut && old.line != nil {
			old.cut = true
			excess = append(excess, old)
		}
	}
	return excess
}

// gone forgets the generation at the other end of line.
func (e *elders) gone(line *handover.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, one := range e.all {
		if one.line == line {
			e.forget(n)
		}
	}
}

// forget is gone for one of them; e.mu is held.
func (e *elders) forget(generation int) {
	if p := e.all[generation].process; p != nil {
		_ = p.Release()
	}
	delete(e.all, generation)
}

// sorted lists them, the oldest first; e.mu is held.
func (e *elders) sorted() []*elder {
	var all []*elder
	for _, one := range e.all {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *elder) int { return cmp.Compare(a.Generation, b.Generation) })
	return all
}

func (e *elders) list() []elder {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []elder
	for _, one := range e.sorted() {
		all = append(all, *one)
	}
	return all
}

// draining lists the older generations that still drain, the oldest first.
func (s *Service) draining() []Draining {
	var all []Draining
	for _, one := range s.elders.list() {
		if !one.Deadline.IsZero() { // it has said so itself
			all = append(all, one.Draining)
		}
	}
	return all
}

// heardOfDrain takes a report from the other end of line.
func (s *Service) heardOfDrain(line *handover.Conn, m handover.Draining) {
	defer s.shown.changed()
	d := Draining{m.Party, m.Connections, time.UnixMicro(m.DeadlineUSec)}
	for _, old := range s.elders.report(line, d, s.endOf(m), s.config.MaxDraining) {
		s.log.Warn("too many generations drain: the oldest ends", "oldest", old.Generation, "connections", old.Connections)
		if err := old.line.Send(handover.Cut{}); err != nil {
			s.log.Debug("elder", "error", err)
		}
	}
}

// meet begins to listen to an older generation that the predecessor has given a line to.
func (s *Service) meet(fds []int) {
	if len(fds) != 1 {
		descriptor.CloseAll(fds)
		return
	}
	line, err := handover.Open(fds[0])
	if err != nil {
		s.log.Debug("elder", "error", err)
		return
	}
	s.own(line)
	go func() {
		err := s.eachMessage(line, func(m handover.Message, fds []int) {
			descriptor.CloseAll(fds)
			if d, ok := m.(handover.Draining); ok {
				s.heardOfDrain(line, d)
			}
		})
		if err != nil {
			s.log.Debug("elder", "error", err)
		}
		s.elders.gone(line)
		s.shown.changed()
		line.Close()
	}()
}

// introduce gives the successor, which is main now, a line to each generation
// that drains longer than this one.
func (s *Service) introduce() {
	for _, old := range s.elders.list() {
		if old.line == nil {
			continue
		}
		ends, err := handover.Ends()
		if err != nil {
			s.log.Warn("an older generation will not be seen any more", "older", old.Generation, "error", err)
			continue
		}
		err = errors.Join(
			old.line.Send(handover.Line{}, ends[0]),
			s.successor.line.Send(handover.Elder{Party: old.Party}, ends[1]))
		if err != nil {
			s.log.Debug("introducing", "older", old.Generation, "error", err)
		}
		descriptor.CloseAll(ends[:])
	}
}

// mains are the lines to processes that are main, or were: the processes at the
// other end hear of this drain's progress.
type mains struct {
	mu  sync.Mutex
	all []*handover.Conn
}

func (l *mains) add(line *handover.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

// say sends m to all, and forgets those that have gone.
func (l *mains) say(m handover.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(c *handover.Conn) bool { return c.Send(m) != nil })
}

// reportEvery is how often a generation that drains says how far it is.
const reportEvery = time.Second

// reportDrain tells the main process how the drain goes until it is over.
func (s *Service) reportDrain(over <-chan struct{}, deadline time.Time) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		s.tellMains(s.intake.Connections(), deadline, false)
		select {
		case <-over:
			return
		case <-s.met:
			// Somebody new wants to know at once.
		case <-tick.C:
		}
	}
}

// tellMains says how many connections this process has left, and until when. ends: it
// is about to end, and from here on Config.EndTimeout counts.
func (s *Service) tellMains(connections int, deadline time.Time, ends bool) {
	s.mains.say(handover.Draining{
		Party:        s.self(),
		Connections:  connections,
		DeadlineUSec: deadline.UnixMicro(),
		LeftUSec:     time.Until(deadline).Microseconds(),
		EndUSec:      s.config.EndTimeout.Microseconds(),
		Ends:         ends,
	})
}

// heardFromMain takes the messages of a main process to a generation that drains.
func (s *Service) heardFromMain(m handover.Message, fds []int) {
	switch m.(type) {
	case handover.Cut:
		s.post(nil, generation.Event{Kind: generation.DrainTimedOut})
	case handover.Line:
		if len(fds) != 1 {
			break
		}
		line, err := handover.Open(fds[0])
		if err != nil {
			s.log.Debug("line to the main process", "error", err)
			return
		}
		s.own(line)
		s.mains.add(line)
		select {
		case s.met <- struct{}{}:
		default:
		}
		go func() {
			if err := s.eachMessage(line, s.heardFromMain); err != nil {
				s.log.Debug("line to the main process", "error", err)
			}
			line.Close()
		}()
		return
	}
	descriptor.CloseAll(fds)
}

// own closes line when this process ends.
func (s *Service) own(line *handover.Conn) { given(s, line) }

// eachMessage hands every message of a line to take, with the descriptors,
// which are take's then, until the line ends. The error is that of a message that
// cannot be read; nil: the other end has gone.
func (s *Service) eachMessage(line *handover.Conn, take func(handover.Message, []int)) error {
	for {
		m, fds, err := line.Receive()
		switch {
		case errors.Is(err, handover.ErrUnknownType):
			s.log.Debug("ignored", "error", err)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			take(m, fds)
		}
	}
}
