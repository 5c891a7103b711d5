package integration

import (
	"strings"
	"testing"
)

// The line that the error and README.md give works; there a hangup, as of a terminal
// that is closed, is no upgrade.
func TestByHand(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("hello", "examples/hello")
		run := func(script string) string {
			t.Helper()
			// The tests may run under nohup(1).
			out, err := s.machine.Run(s.ctx, "env", "--default-signal=HUP", "sh", "-c", script)
			if err != nil {
				t.Fatalf("%s: %v\n%s\n%s", script, err, out, s.journal())
			}
			return out
		}
		advice := run(`cd /opt/hello; ./hello 2>&1 && echo succeeded; true`)
		const line = "systemd-socket-activate --fdname=http -l PORT ./hello"
		if !strings.Contains(advice, line) || strings.Contains(advice, "succeeded") {
			t.Fatalf("it does not say how to start it:\n%s", advice)
		}
		// A process of no unit, as of a login.
		out := run(`cd /opt/hello
			` + strings.Replace(line, "PORT", "8080", 1) + ` >log 2>&1 & pid=$!
			curl --silent --show-error --retry 10 --retry-connrefused localhost:8080
			kill -HUP $pid; wait $pid; echo status $?; cat log
			curl --silent localhost:8080 || echo and no successor`)
		for _, want := range []string{"hello from v1\n", "status 0\n", "SIGHUP stops this service", "and no successor\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("by hand it says\n%s\nwant %q", out, want)
			}
		}
	})
}

// Where systemd does not listen to the service, an upgrade would end it: the upgrade
// fails with the line to write, and the service goes on.
func TestReloadOfAnotherType(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		s.install("web", "Type=exec", "NotifyAccess=none", "ExecReload=/bin/kill -HUP $MAINPID")
		s.must(s.manager.Start(s.ctx, "web.service"))
		if a := s.ask("/"); a.generation != 1 {
			t.Fatalf("it answers as %+v", a)
		}
		pid := s.mainPID("web")
		s.must(s.manager.Reload(s.ctx, "web.service"))
		s.eventually("the journal says why there is no upgrade", func() bool {
			return strings.Contains(s.journal(), "upgrade 1 to generation 2 failed") &&
				strings.Contains(s.journal(), "write Type=notify-reload")
		})
		if a := s.ask("/"); a.generation != 1 || s.mainPID("web") != pid {
			t.Errorf("it answers as %+v, the main process is %d, it was %d", a, s.mainPID("web"), pid)
		}
	})
}
