package integration

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A release that dies in its first moments is taken back on an idle service, too: its
// predecessor has nothing to drain, and stays for that.
func TestDeathOnAnIdleService(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		s.install("web")
		s.must(s.manager.Start(s.ctx, "web.service"))
		predecessor := s.mainPID("web")
		s.must(unix.Kill(s.upgrade("web"), unix.SIGKILL))
		s.eventually("the predecessor is main again", func() bool { return s.mainPID("web") == predecessor })
		if a := s.ask("/"); a.generation != 1 {
			t.Errorf("it answers as %+v", a)
		}
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// Nothing keeps an old generation beyond its time: not a program that hangs, nor one
// that somebody has stopped.
func TestStoppedGenerationIsKilled(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1", "drainTimeout=1s", "endTimeout=1s")
		s.install("web")
		first := s.hold()
		predecessor := s.mainPID("web")
		s.upgrade("web")
		s.must(unix.Kill(predecessor, unix.SIGSTOP))
		s.gone(predecessor)
		if first.release() == nil {
			t.Error("a request of the generation that was killed is answered")
		}
		s.eventually("the journal has it", func() bool {
			out, err := s.run("journalctl", "--boot", "--unit=web", "INSTAR_RESULT=killed", "--output=cat")
			s.must(err)
			return strings.Contains(out, "was killed")
		})
		s.eventually("systemd is the parent of the main process", func() bool { return s.show("web", "NotifyAccess") == "main" })
		if a := s.ask("/"); a.generation != 2 {
			t.Errorf("it answers as %+v", a)
		}
	})
}

// SIGHUP to the whole unit, as systemctl kill sends it and many a logrotate script, is
// one upgrade, whomever else it meets: generations that drain, a successor that cannot
// handle it yet.
func TestHangupOfTheWholeUnit(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/inits") // takes 300 ms until it can handle a signal
		s.install("web", "Environment=DSN=test", "StateDirectory=web")
		s.must(s.manager.Start(s.ctx, "web.service"))
		hangUp := func() {
			s.Helper()
			_, err := s.manager.Systemctl(s.ctx, "kill", "--signal=HUP", "web.service")
			s.must(err)
		}
		first := s.hold()
		for generation := 2; generation <= 3; generation++ {
			main := s.mainPID("web")
			hangUp()
			s.eventually("a successor initialises", func() bool { return s.processes("web") > generation-1 })
			hangUp()
			s.eventually("another process is main", func() bool { return s.mainPID("web") != main })
			held := s.hold()
			if held.generation != generation {
				t.Errorf("generation %d answers, want %d", held.generation, generation)
			}
			s.must(held.release())
		}
		// Nothing more comes of it: an upgrade that a stray signal has begun would show
		// by now.
		time.Sleep(time.Second)
		if status := s.show("web", "StatusText"); !strings.HasPrefix(status, "generation 3 ") {
			t.Errorf("StatusText is %q", status)
		}
		if err := first.release(); err != nil {
			t.Errorf("a request of the first generation: %v", err)
		}
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s\n%s", n, s.journal())
		}
	})
}

// A service that a PAM session has moved out of its unit's control group cannot be
// upgraded, and says so: systemd would refuse the new main process.
func TestMovedOutOfItsControlGroup(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		_, err := s.manager.Systemctl(s.ctx, "start", "systemd-logind.service")
		s.must(err)
		s.must(s.machine.WriteFile("/etc/pam.d/web", []byte("auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_systemd.so\n"), 0o644))
		s.release("web", "examples/web", "version=v1")
		s.install("web", "PAMName=web", "User=instar", "DynamicUser=no")
		s.must(s.manager.Start(s.ctx, "web.service"))
		main := s.mainPID("web")
		s.reload("web") // which has no helper to tell the verdict here
		status := s.show("web", "StatusText")
		if !strings.Contains(status, "PAMName=") {
			t.Errorf("StatusText is %q", status)
		}
		if pid := s.mainPID("web"); pid != main {
			t.Errorf("MainPID is %d, was %d", pid, main)
		}
		for range 5 {
			if a := s.ask("/"); a.generation != 1 {
				t.Errorf("it answers as %+v", a)
			}
		}
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// systemctl stop waits for a drain at every moment, also when the predecessor has just
// ended and systemd does not know the main process as its child yet.
func TestStopWhenThePredecessorEnds(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1", "standby=1ms")
		s.install("web")
		for range 8 {
			s.must(s.manager.Start(s.ctx, "web.service"))
			predecessor := s.mainPID("web")
			s.upgrade("web")
			held := s.hold()
			for unix.Kill(predecessor, 0) == nil {
				time.Sleep(100 * time.Microsecond)
			}
			stopped := make(chan error, 1)
			go func() { stopped <- s.manager.Stop(s.ctx, "web.service") }()
			s.eventually("the service stops", func() bool { return s.show("web", "ActiveState") != "active" })
			if err := held.release(); err != nil {
				t.Errorf("a request under way: %v\n%s", err, s.journal())
			}
			s.must(<-stopped)
			if result := s.show("web", "Result"); result != "success" {
				t.Errorf("Result=%s", result)
			}
			_, err := s.manager.Systemctl(s.ctx, "reset-failed", "web.service") // the limit of starts
			s.must(err)
		}
	})
}

// A predecessor that hangs while it watches a successor on trial is killed when that one
// has proven itself: no other process would end the trial.
func TestPredecessorHangsInProbation(t *testing.T) {
	onTrial(t, func(t *testing.T, s *site) {
		predecessor, successor, reloaded := s.begin("probation=1s")
		s.must(unix.Kill(predecessor, unix.SIGSTOP))
		s.gone(predecessor)
		s.must(<-reloaded)
		if pid := s.mainPID("web"); pid != successor {
			t.Errorf("MainPID is %d, want %d", pid, successor)
		}
		if a := s.ask("/"); a.generation != 2 {
			t.Errorf("it answers as %+v", a)
		}
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s\n%s", n, s.journal())
		}
	})
}
