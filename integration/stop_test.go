package integration

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// systemctl stop waits for the drain after an upgrade as before one, whatever the
// service does in its initialisation, which only generations run; and where no
// descriptor is free when the main process has to settle.
func TestStopAfterUpgradeWithBusyInits(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/inits")
		s.install("web", "Environment=DSN=test", "StateDirectory=web")
		for _, full := range []bool{false, true} {
			first := s.hold()
			pid := s.upgrade("web")
			second := s.hold()
			if full {
				limit := unix.Rlimit{Cur: 3, Max: 1 << 10}
				s.must(unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil))
			}
			s.must(first.release())
			s.eventually("the main process has settled", func() bool { return s.show("web", "NotifyAccess") == "main" })

			stopped := make(chan error, 1)
			go func() { stopped <- s.manager.Stop(s.ctx, "web.service") }()
			s.eventually("it is asked to stop", func() bool {
				return strings.Contains(s.show("web", "StatusText"), "stopping") || s.show("web", "ActiveState") != "active"
			})
			if err := second.release(); err != nil {
				t.Errorf("no descriptor free: %v; a request under way at systemctl stop: %v\n%s", full, err, s.journal())
			}
			s.must(<-stopped)
			if result := s.show("web", "Result"); result != "success" {
				t.Errorf("no descriptor free: %v; Result=%s", full, result)
			}
		}
		initialised, err := s.run("cat", "/var/lib/web/initialised")
		s.must(err)
		if n := strings.Count(initialised, "\n"); n != 4 {
			t.Errorf("the service was initialised %d times for four generations:\n%s", n, initialised)
		}
	})
}
