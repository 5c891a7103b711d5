package integration

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"
)

// begin starts an upgrade to a build on probation, and returns when it serves. The
// result of systemctl reload comes later.
func (s *site) begin(stamps ...string) (predecessor, successor int, reloaded <-chan error) {
	s.Helper()
	predecessor = s.mainPID("web")
	s.release("web", "integration/faulty", append([]string{"version=trial"}, stamps...)...)
	done := make(chan error, 1)
	go func() { done <- s.manager.Reload(s.ctx, "web.service") }()
	s.eventually("the successor is main", func() bool { return s.mainPID("web") != predecessor })
	if a := s.ask("/"); a.build != "trial" {
		s.Errorf("in the probation it answers as %+v", a)
	}
	select {
	case err := <-done:
		s.Errorf("systemctl reload returns %v in the probation", err)
	default:
	}
	return predecessor, s.mainPID("web"), done
}

// onTrial tells a story of a service under load with a successor on probation.
func onTrial(t *testing.T, story func(t *testing.T, s *site)) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=good")
		s.install("web")
		s.must(s.manager.Start(s.ctx, "web.service"))
		story(t, s)
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// takenBack checks that the predecessor serves again, and says why.
func (s *site) takenBack(predecessor int, reloaded <-chan error, why string) {
	s.Helper()
	s.eventually("the predecessor is main again", func() bool { return s.mainPID("web") == predecessor })
	s.must(<-reloaded)
	if a := s.ask("/"); a.build != "good" {
		s.Errorf("after the take back it answers as %+v", a)
	}
	if status := s.show("web", "StatusText"); !strings.Contains(status, "upgrade failed") || !strings.Contains(status, why) {
		s.Errorf("StatusText is %q, which does not say %q", status, why)
	}
}

func TestProbationPassed(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		stop := s.load(false)
		begin := time.Now()
		predecessor, successor, reloaded := s.begin("probation=3s")
		s.must(<-reloaded)
		if d := time.Since(begin); d < 3*time.Second {
			t.Errorf("systemctl reload returned after %v, before the end of the probation", d)
		}
		if pid := s.mainPID("web"); pid != successor {
			t.Errorf("MainPID is %d, was %d in the probation", pid, successor)
		}
		stop()
		s.gone(predecessor)
	})
}

func TestProbationEndedEarly(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		_, successor, reloaded := s.begin("probation=60s", "fault=proven")
		s.must(<-reloaded)
		if pid := s.mainPID("web"); pid != successor {
			t.Errorf("MainPID is %d, was %d in the probation", pid, successor)
		}
	})
}

// A successor that reports itself unwell gives all back: no client loses anything.
func TestProbationFailedByHealth(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		stop := s.load(false)
		predecessor, successor, reloaded := s.begin("probation=60s", "fault=unwell")
		s.takenBack(predecessor, reloaded, "the successor has failed its probation; generation 1")
		stop()
		s.gone(successor)
	})
}

// A successor that is killed, or hangs, in its probation takes its own connections
// with it, and no client is refused.
func TestProbationFailedByDeath(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		why    string
	}{
		{syscall.SIGKILL, "was killed by SIGKILL"},
		{syscall.SIGSTOP, "has not been heard of in its probation"},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			onTrial(t, func(t *testing.T, s *site) {
				predecessor, successor, reloaded := s.begin("probation=60s")
				l, err := load.Start(s.ctx, load.Config{
					Dial:      s.manager.Host().Dial,
					Web:       []load.Endpoint{{Network: "tcp", Address: webAddress}},
					KeepAlive: load.Clients{Count: -1}, Thinking: -1,
					Short: load.Clients{Count: 4, Rate: 200},
				})
				s.must(err)
				s.must(syscall.Kill(successor, c.signal))
				s.takenBack(predecessor, reloaded, c.why)
				for _, f := range l.Stop().Failures {
					if strings.Contains(f.Reason, "refused") {
						t.Error(f.Reason)
					}
				}
				s.gone(successor)
				// The service is as good as ever: the next upgrade succeeds.
				s.release("web", "integration/faulty", "version=better")
				s.reload("web")
				if a := s.ask("/"); a.build != "better" {
					t.Errorf("after the next upgrade it answers as %+v", a)
				}
			})
		})
	}
}

// The predecessor may die as well: the successor finishes its probation.
func TestPredecessorDiesInProbation(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		predecessor, successor, reloaded := s.begin("probation=3s")
		s.must(syscall.Kill(predecessor, syscall.SIGKILL))
		s.must(<-reloaded)
		if a := s.ask("/"); a.build != "trial" || s.mainPID("web") != successor {
			t.Errorf("it answers as %+v, MainPID is %d, want %d", a, s.mainPID("web"), successor)
		}
		// And systemd, its parent now, restarts it if it dies.
		s.release("web", "integration/faulty", "version=good")
		s.must(syscall.Kill(successor, syscall.SIGKILL))
		s.eventually("systemd restarts the service", func() bool { return s.show("web", "NRestarts") == "1" })
		s.ask("/")
		s.must(s.manager.Restart(s.ctx, "web.service")) // NRestarts=0 again
	})
}

// systemctl stop in a probation stops both; neither takes back.
func TestStopInProbation(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		predecessor, successor, _ := s.begin("probation=60s")
		s.must(s.manager.Stop(s.ctx, "web.service"))
		s.gone(predecessor)
		s.gone(successor)
		if state := s.show("web", "ActiveState"); state != "inactive" {
			t.Errorf("ActiveState=%s", state)
		}
	})
}

// Three generations: when the main process dies, its own predecessor resumes,
// and when that one dies, the one before it does.
func TestChain(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		begun := s.hold()
		first := s.mainPID("web")
		s.release("web", "integration/faulty", "version=second")
		second := s.upgrade("web")
		s.hold()
		s.release("web", "integration/faulty", "version=third")
		third := s.upgrade("web")

		s.must(syscall.Kill(third, syscall.SIGKILL))
		s.eventually("the second generation resumes", func() bool { return s.mainPID("web") == second })
		if a := s.ask("/"); a.build != "second" || a.generation != 2 {
			t.Errorf("it answers as %+v", a)
		}
		s.must(syscall.Kill(second, syscall.SIGKILL))
		s.eventually("the first generation resumes", func() bool { return s.mainPID("web") == first })
		if a := s.ask("/"); a.build != "good" || a.generation != 1 {
			t.Errorf("it answers as %+v", a)
		}
		if err := begun.release(); err != nil {
			t.Errorf("the request of the first generation: %v", err)
		}
	})
}

// A predecessor that crashes while its successor serves disturbs no process, even
// if an older generation drains.
func TestPredecessorDiesInDrain(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		s.hold()
		second := s.upgrade("web")
		s.hold()
		third := s.upgrade("web")
		s.must(syscall.Kill(second, syscall.SIGKILL))
		s.gone(second)
		for range 20 {
			if a := s.ask("/"); a.generation != 3 {
				t.Fatalf("it answers as %+v", a)
			}
		}
		if pid := s.mainPID("web"); pid != third {
			t.Errorf("MainPID is %d, want %d", pid, third)
		}
	})
}

// The main process knows the draining generations, and ends the oldest if there are
// too many.
func TestMaxDraining(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) { // MaxDraining is 2
		first := s.mainPID("web")
		var begun []*held
		for i := range 3 {
			begun = append(begun, s.hold())
			if got := begun[i].generation; got != i+1 {
				t.Fatalf("request %d is under way in generation %d", i, got)
			}
			s.upgrade("web")
			if i == 1 {
				s.eventually("the third generation knows of both", func() bool {
					a := s.ask("/draining").draining
					return strings.Contains(a, "{1 ") && strings.Contains(a, "{2 ")
				})
			}
		}
		s.gone(first)
		if err := begun[0].end(); err == nil {
			t.Error("the oldest generation has kept its connection")
		}
		s.eventually("the fourth generation knows of the other two", func() bool {
			a := s.ask("/draining").draining
			return !strings.Contains(a, "{1 ") && strings.Contains(a, "{2 ") && strings.Contains(a, "{3 ")
		})
		for _, h := range begun[1:] {
			if err := h.release(); err != nil {
				t.Errorf("generation %d, which may drain: %v", h.generation, err)
			}
		}
	})
}

// The unit's TimeoutStartSec= does not cut short Config.ReadyTimeout and
// Config.Probation.
func TestTimeoutExtended(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		s.must(s.manager.InstallUnit("web.service.d/short.conf", "[Service]\nTimeoutStartSec=2s\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		_, successor, reloaded := s.begin("probation=4s")
		s.must(<-reloaded)
		if a := s.ask("/"); a.build != "trial" || s.mainPID("web") != successor {
			t.Errorf("it answers as %+v", a)
		}
	})
}
