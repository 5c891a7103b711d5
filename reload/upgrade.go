package reload

import (
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/notify"
)

// upgrade is one attempt to be followed by a successor, up to its verdict.
type upgrade struct {
	began  time.Time
	named  time.Time // when the successor was named main process
	reason error     // why it failed
	remark string    // what STATUS= says of it for as long as this process serves
}

// blame keeps the first reason: what follows from it is no news.
func (u *upgrade) blame(err error) {
	if u.reason == nil {
		u.reason = err
	}
}

func (s *Service) beginUpgrade() {
	s.attempt++
	s.upgrade = upgrade{began: time.Now()}
	next, err := s.spawn()
	if err != nil {
		s.followUps = append(s.followUps, generation.Event{Kind: generation.SpawnFailed, Err: err})
		return
	}
	s.successor = next
	s.log.Info("upgrade begun", "attempt", s.attempt, "successor", next.process.Pid)
}

// succeed gives the verdict of an upgrade that succeeded. systemd has it
// already, from READY=1.
func (s *Service) succeed() {
	s.log.Info("upgrade succeeded",
		"attempt", s.attempt,
		"successor", s.successor.process.Pid,
		"successor_build", s.successor.build,
		"initialising", s.upgrade.named.Sub(s.upgrade.began),
		"takeover", time.Since(s.upgrade.named))
}

// fail gives the verdict of an upgrade that failed: the service goes on as it
// was. READY=1 has to follow RELOADING=1 all the same.
func (s *Service) fail() {
	reason := s.upgrade.reason
	s.log.Error("upgrade failed", "attempt", s.attempt, "reason", reason, "after", time.Since(s.upgrade.began))
	s.upgrade.remark = fmt.Sprintf("upgrade failed: %v", reason)
	s.say(
		notify.Ready,
		notify.Status(notify.OneLine(fmt.Sprintf("upgrade failed: %v; %s serves on", reason, s.title()))),
		notify.Errno(errno(reason)))
}
