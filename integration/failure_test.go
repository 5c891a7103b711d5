package integration

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A successor that fails in initialisation, in whichever way, leaves the
// predecessor serving with no failed request and a STATUS= that says why.
func TestFailedUpgrade(t *testing.T) { onEach(t, failedUpgrade) }

func failedUpgrade(t *testing.T, s *site) {
	faults := []struct{ fault, status string }{
		{"crash", `^upgrade failed: the successor ended: PID \d+ exited with status 1; generation 1 \(good\) serves on$`},
		{"panic", `exited with status 2`},
		{"exit0", `exited with status 0`},
		{"hang", `the successor was not ready in time: PID \d+ has not called Serve within 2s`},
		{"late", `the successor was not ready in time: PID \d+ has not called Serve within 2s`},
		{"refuse", `the successor refused; generation 1`}, // the words are the journal's
		{"misnamed", `the successor refused: .*"https".*FileDescriptorName=https`},
		{"garbage", `does not speak the handover protocol; generation 1`},
	}
	s.release("web", "integration/faulty", "version=good")
	s.install("web")
	s.ask("/")
	predecessor := s.mainPID("web")
	stop := s.load(false)
	for _, f := range faults {
		s.release("web", "integration/faulty", "version=bad", "fault="+f.fault)
		// systemctl learns of the verdict in STATUS= alone here: the unit has
		// no ExecReload=.
		s.reload("web")
		if a := s.ask("/"); a.generation != 1 || a.build != "good" {
			t.Errorf("%s: it answers as %+v", f.fault, a)
		}
		if pid := s.mainPID("web"); pid != predecessor {
			t.Errorf("%s: MainPID is %d, was %d", f.fault, pid, predecessor)
		}
		if status := s.show("web", "StatusText"); !regexp.MustCompile(f.status).MatchString(status) {
			t.Errorf("%s: StatusText is %q, want a match of %s", f.fault, status, f.status)
		}
		if errno := s.show("web", "StatusErrno"); errno == "0" {
			t.Errorf("%s: StatusErrno=0", f.fault)
		}
		if n := s.processes("web"); n != 1 {
			t.Errorf("%s: %d processes are left\n%s", f.fault, n, s.journal())
		}
	}
	// A file that is no program at all, and none.
	s.must(s.manager.Host().WriteFile(s.binary("web"), []byte("not a program"), 0o755))
	s.reload("web")
	if status := s.show("web", "StatusText"); !strings.Contains(status, "no successor could be started") {
		t.Errorf("no program: StatusText is %q", status)
	}
	s.must(s.manager.Host().Remove(s.binary("web")))
	s.reload("web")
	if status := s.show("web", "StatusText"); !strings.Contains(status, "no such file") {
		t.Errorf("no file: StatusText is %q", status)
	}

	// And right after all these a good one goes through.
	s.release("web", "integration/faulty", "version=better")
	s.reload("web")
	if a := s.ask("/"); a.generation != 2 || a.build != "better" {
		t.Errorf("after all these a good upgrade answers as %+v", a)
	}
	if errno := s.show("web", "StatusErrno"); errno != "0" {
		t.Errorf("StatusErrno=%s after an upgrade that succeeded", errno)
	}
	stop()
	if n := s.show("web", "NRestarts"); n != "0" {
		t.Errorf("NRestarts=%s", n)
	}
}

// The main process is killed, and its predecessor after it has taken back, before systemd
// has read any of that. systemd starts the service anew at once: it does not wait for the
// end of a reload that no process will announce.
func TestDeathsThatSystemdReadsLate(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1", "fault=slowback")
		s.install("web", "TimeoutStartSec=infinity", "FileDescriptorStoreMax=16")
		s.ask("/")
		predecessor := s.mainPID("web")
		successor := s.upgrade("web")
		systemd := s.machine.Leader()
		s.must(unix.Kill(systemd, unix.SIGSTOP))
		defer unix.Kill(systemd, unix.SIGCONT)
		s.must(unix.Kill(successor, unix.SIGKILL))
		s.eventually("the predecessor has taken back", func() bool { return strings.Contains(s.journal(), "took back") })
		s.must(unix.Kill(predecessor, unix.SIGKILL))
		s.must(unix.Kill(systemd, unix.SIGCONT))
		s.eventually("the service is started anew", func() bool {
			return s.show("web", "ActiveState") == "active" && s.show("web", "NRestarts") == "1"
		})
		s.ask("/")
	})
}

// processes counts the processes of a service.
func (s *site) processes(service string) int {
	s.Helper()
	return len(s.pids(service))
}

// pids lists the processes of a service, as the machine numbers them.
func (s *site) pids(service string) []string {
	s.Helper()
	group := s.show(service, "ControlGroup")
	out, err := s.run("cat", "/sys/fs/cgroup"+group+"/cgroup.procs")
	s.must(err)
	return strings.Fields(out)
}

// Wrong sockets make the first start fail with a sentence that names the line to
// change.
func TestWrongSocket(t *testing.T) {
	for _, c := range []struct{ name, socket, journal string }{
		{"datagram", "FileDescriptorName=http\nListenDatagram=8080", "ListenStream="},
		{"misnamed", "FileDescriptorName=htp\nListenStream=8080", "FileDescriptorName=http"},
		{"Accept=yes", "FileDescriptorName=http\nListenStream=8080\nAccept=yes", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *site) {
				if c.journal == "" {
					acceptYes(s)
					return
				}
				s.release("web", "examples/web", "version=v1")
				s.install("web", "Restart=no")
				s.must(s.manager.Stop(s.ctx, "web.socket"))
				s.must(s.manager.InstallUnit("web.socket", "[Socket]\n"+c.socket+"\n"))
				s.must(s.manager.DaemonReload(s.ctx))
				if err := s.manager.Start(s.ctx, "web.service"); err == nil {
					t.Error("the service starts")
				}
				log, err := s.manager.Journal(s.ctx, "web.service")
				s.must(err)
				if !strings.Contains(log, c.journal) {
					t.Errorf("the journal does not name %s:\n%s", c.journal, log)
				}
			})
		})
	}
}

// acceptYes starts a service per connection, which the service must refuse.
func acceptYes(s *site) {
	s.release("web", "examples/web", "version=v1")
	s.must(s.manager.InstallUnit("web.socket", "[Socket]\nListenStream=8080\nAccept=yes\n"))
	s.must(s.manager.InstallUnit("web@.service", "[Service]\nType=notify-reload\nExecStart="+s.binary("web")+"\n"))
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, "web.socket"))
	_, _ = s.tryAsk("/") // there is no answer
	s.eventually("the journal has the reason", func() bool {
		return strings.Contains(s.journal(), "Accept=no")
	})
}
