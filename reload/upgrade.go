package reload

import (
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/notify"
)

// upgrade is one attempt to be followed by a successor, up to its verdict.
type upgrade struct {
	began  time.Time
	phase  generation.Phase // the step under way
	since  time.Time
	steps  []Step
	reason error  // why it failed
	remark string // the line on it in STATUS=, for as long as this process serves
}

// blame keeps the first reason: its consequences are no news.
func (u *upgrade) blame(err error) {
	if u.reason == nil {
		u.reason = err
	}
}

// enter ends the step under way, and begins the next if p is one.
func (u *upgrade) enter(p generation.Phase) {
	now := time.Now()
	if u.phase.Upgrading() {
		u.steps = append(u.steps, Step{Phase: u.phase.String(), Took: now.Sub(u.since)})
	}
	u.phase, u.since = p, now
}

// spawnSuccessor begins an attempt. again: its last successor has strayed, and another
// one is started for the same attempt.
func (s *Service) spawnSuccessor(again bool) {
	if again {
		s.log.Warn("the successor was killed by a SIGHUP to the whole unit, and is started again", "pid", s.successor.process.Pid)
		s.starts++
		s.successor = nil
		s.beginStart()
		return
	}
	s.attempt++
	s.shown.attempts.Store(int64(s.attempt))
	now := time.Now()
	s.upgrade = upgrade{began: now, phase: generation.Preparing, since: now}
	s.successor, s.starts, s.named = nil, 1, time.Time{}
	s.beginStart()
}

// verdict is that of the last upgrade.
func (s *Service) verdict() Verdict {
	v := Verdict{
		Attempt: s.attempt,
		From:    s.self(),
		To:      Party{Generation: s.generation + 1},
		Began:   s.upgrade.began,
		Killed:  int(s.shown.killed.Load()),
		Steps:   s.upgrade.steps,

		Signalled: s.signalled,
	}
	if s.successor != nil {
		v.To.PID, v.To.Build = s.successor.process.Pid, s.successor.build
		v.LeftBehind = s.successor.command.LeftBehind
	}
	if s.upgrade.reason != nil {
		f := s.failure(s.successor.explain(s.upgrade.reason))
		v.Err, v.Words = f, f.words
	}
	return v
}

// explain returns the reason of a failed upgrade. A successor that has given none, as
// where Close runs while a panic unwinds the stack, tells by how it ends.
func (next *successor) explain(reason error) error {
	if next == nil || next.end == nil || !errors.Is(reason, errUnexplained) {
		return reason
	}
	f := *next.end
	f.public += ", without a call of Serve"
	return &f
}

// succeed gives the verdict of an upgrade that succeeded. systemd has it
// already, from READY=1.
func (s *Service) succeed() {
	v := s.verdict()
	s.handedOver.Store(true)
	s.tellSuccessor(handover.Verdict(v.Record()))
	s.introduce()
	s.record(v)
}

// conclude gives the verdict that the predecessor has not lived to give.
func (s *Service) conclude() {
	p := s.predecessor
	v := Verdict{
		Attempt: p.attempt,
		From:    Party{Generation: s.generation - 1, PID: p.pid, Build: p.build},
		To:      s.self(),
		Began:   p.began,
		// All that this process knows of the steps.
		Steps: []Step{{Phase: generation.Entering.String(), Took: time.Since(p.began)}},
	}
	s.verdicts.learn(v) // an upgrade from this process may be under way: its verdict is another
	s.report(v.Level(), v.Journal())
}

// fail gives the verdict of an upgrade that failed: the service goes on as it
// was. READY=1 has to follow RELOADING=1 all the same.
func (s *Service) fail() {
	v := s.verdict()
	s.upgrade.remark = fmt.Sprintf("upgrade failed: %v", v.Err)
	s.say(
		notify.Ready,
		notify.Status(notify.OneLine(fmt.Sprintf("upgrade failed: %v; %s serves on", v.Err, s.title()))),
		notify.Errno(errno(v.Err)))
	s.record(v)
}

// record logs the verdict, once, and gives it to all that wait.
func (s *Service) record(v Verdict) {
	s.reserve.fill()
	s.verdicts.give(v)
	s.signalled = false
	s.report(v.Level(), v.Journal())
}
