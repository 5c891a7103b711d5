package reload

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/verdict"
)

// An old generation ends, whatever it does: a program that hangs after Serve, a server
// that does not let go, a process that somebody has stopped. The main process knows
// each by its process and by when it has to be gone, and kills it then.

// takeoverTimeout is how long a predecessor may take between the announcement of a
// takeover and the takeover. Neither accepts meanwhile.
const takeoverTimeout = 2 * namingTimeout

// lookEvery is how often the main process looks for old generations that are overdue.
const lookEvery = time.Second

// noSignal asks whether a process is there.
const noSignal = syscall.Signal(0)

// know takes note of the generations that the predecessor knows of.
func (e *elders) know(older []handover.Older) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range older {
		e.get(m.Party).ends = endFrom(m.LeftUSec, m.EndUSec)
	}
}

// older describes them for a successor.
func (e *elders) older() []handover.Older {
	var all []handover.Older
	for _, one := range e.list() {
		m := handover.Older{Party: one.Party, EndUSec: -1}
		if !one.ends.IsZero() {
			m.LeftUSec, m.EndUSec = time.Until(one.ends).Microseconds(), 0
		}
		all = append(all, m)
	}
	return all
}

// endFrom is when a generation has to be gone that may drain for as long as left says,
// and take as long as end says for the rest: negative, it may stay.
func endFrom(left, end int64) time.Time {
	if end < 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(max(left, 0)+end) * time.Microsecond)
}

// endOf is when a generation has to be gone that drains.
func (s *Service) endOf(m handover.Draining) time.Time {
	left, end := m.LeftUSec, m.EndUSec
	if end == 0 { // an older build does not say
		left, end = time.Until(time.UnixMicro(m.DeadlineUSec)).Microseconds(), s.config.EndTimeout.Microseconds()
	}
	return endFrom(left, end)
}

// expectTakeover and expectEnd note when the predecessor has to have gone on.
func (s *Service) expectTakeover(p *predecessor) {
	s.expectWithin(p, takeoverTimeout, 0)
}

func (s *Service) expectEnd(p *predecessor, trial time.Duration) {
	drain, end := p.drain, p.end
	if end == 0 { // an older build does not say
		drain, end = s.config.DrainTimeout, s.config.EndTimeout
	}
	s.expectWithin(p, trial+drain, end)
}

// releaseTimeout is how long a predecessor may take to answer a successor that has proven
// itself: less than the margin of extension, after which the watchdog strikes.
const releaseTimeout = heartbeatTimeout + 2*time.Second

// expectRelease notes that the predecessor has to answer: no process pings the watchdog
// during a trial, and a predecessor that hangs will not end the trial.
func (s *Service) expectRelease(p *predecessor) {
	if p != nil {
		s.expectWithin(p, releaseTimeout, 0)
	}
}

func (s *Service) expectWithin(p *predecessor, left, end time.Duration) {
	s.elders.mu.Lock()
	defer s.elders.mu.Unlock()
	one := s.elders.get(Party{Generation: s.generation - 1, PID: p.pid, Build: p.build})
	one.line = p.line
	one.ends = endFrom(left.Microseconds(), end.Microseconds())
}

// overdue returns those that should have gone, and forgets those that have.
func (e *elders) overdue(now time.Time) (all []elder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for n, one := range e.all {
		switch {
		case one.process != nil && errors.Is(one.process.Signal(noSignal), os.ErrProcessDone):
			e.forget(n)
		case !one.ends.IsZero() && now.After(one.ends):
			one.ends = time.Time{} // once
			all = append(all, *one)
		}
	}
	return all
}

// endOverdue kills the old generations that should have gone, for as long as this
// process has a part in the service.
func (s *Service) endOverdue() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if !s.currentPhase().Watches() {
				continue
			}
			for _, one := range s.elders.overdue(now) {
				s.endElder(one)
			}
		case <-s.done:
			return
		}
	}
}

func (s *Service) endElder(one elder) {
	if one.process == nil {
		s.log.Error("an old generation should have ended, and this process cannot find it", "old", one.Generation, "pid", one.PID)
		return
	}
	if err := one.process.Kill(); err != nil {
		if !errors.Is(err, os.ErrProcessDone) {
			s.log.Error("an old generation should have ended, and cannot be killed", "old", one.Generation, "pid", one.PID, "error", err)
		}
		return
	}
	s.shown.killed.Add(1)
	s.shown.changed()
	s.report(slog.LevelError, map[string]string{
		"MESSAGE": fmt.Sprintf("generation %d (%s), PID %d, had not ended in time after its drain, and was killed: look at the program's code after Serve, or set Config.EndTimeout",
			one.Generation, one.Build, one.PID),
		"MESSAGE_ID":             verdict.KilledMessageID,
		"PRIORITY":               "3",
		"INSTAR_RESULT":          "killed",
		"INSTAR_FROM_GENERATION": fmt.Sprint(one.Generation),
		"INSTAR_FROM_BUILD":      one.Build,
		"INSTAR_FROM_PID":        fmt.Sprint(one.PID),
	})
}
