package integration

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A manager that does not read, with its queue full, gets the missed messages as soon as
// it reads again: here that the predecessor, which has taken back, is main. It serves
// meanwhile.
func TestSystemdIsToldLater(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		predecessor, successor, reloaded := s.begin("probation=60s")
		pid1 := s.machine.Leader()
		s.must(syscall.Kill(pid1, syscall.SIGSTOP))
		t.Cleanup(func() { _ = syscall.Kill(pid1, syscall.SIGCONT) })
		s.fillNotifyQueue()
		s.must(syscall.Kill(successor, syscall.SIGKILL))
		s.eventually("the predecessor serves", func() bool {
			a, err := s.tryAsk("/")
			return err == nil && a.build == "good"
		})
		// A single try would have ended by then.
		s.eventually("it says that it cannot tell systemd", func() bool {
			return strings.Contains(s.journal(), "the service manager does not read its socket")
		})
		s.must(syscall.Kill(pid1, syscall.SIGCONT))
		s.takenBack(predecessor, reloaded, "was killed by SIGKILL")
		if state := s.show("web", "ActiveState"); state != "active" {
			t.Errorf("the unit is %s", state)
		}
		// And the service is as good as ever.
		s.release("web", "integration/faulty", "version=better")
		s.reload("web")
		if a := s.ask("/"); a.build != "better" {
			t.Errorf("after that it answers as %+v", a)
		}
	})
}

// fillNotifyQueue sends to systemd, which does not read, for as long as it can.
func (s *site) fillNotifyQueue() {
	s.Helper()
	for sent := -1; sent != 0; {
		c, err := s.machine.Dial(s.ctx, "unixgram", "/run/systemd/notify")
		s.must(err)
		s.Cleanup(func() { c.Close() })
		// Each sender has a limit of its own.
		for sent = 0; ; sent++ {
			s.must(c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)))
			_, err := c.Write([]byte("X_FILL=1"))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			s.must(err)
		}
	}
}
