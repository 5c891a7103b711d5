package integration

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"
)

// Reload signals without a waiting systemctl, many at a time: there is one upgrade
// at a time, and none of them is left without an answer.
func TestReloadStorm(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		s.install("web")
		s.ask("/")
		stop := s.load(false)
		for range 5 {
			_, err := s.run("sh", "-c", fmt.Sprintf("for i in $(seq 50); do kill -HUP %d; done; systemctl reload --no-block web; systemctl reload web", s.mainPID("web")))
			s.must(err)
			// Of generations that drain there may be four, and each has connections.
			s.settled("web")
		}
		if c := stop(); len(c.Web) < 2 {
			t.Errorf("clients have seen the generations %+v", c.Web)
		}
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s\n%s", n, s.journal())
		}
	})
}

// systemctl stop at any moment of an upgrade is a clean stop, and loses nothing of
// clients that are not idle for longer than a stop waits for them.
func TestStopAtAnyMoment(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "examples/web", "version=v1")
		s.install("web")
		s.ask("/")
		stop := s.load(false, func(c *load.Config) { c.Think.Max = 100 * time.Millisecond })
		for range 12 {
			s.reload("web")
			_, err := s.manager.Systemctl(s.ctx, "reload", "--no-block", "web.service")
			s.must(err)
			time.Sleep(rand.N(15 * time.Millisecond)) // about as long as an upgrade takes
			// The next connection starts it again at once, because of web.socket.
			s.must(s.manager.Stop(s.ctx, "web.service"))
			if result := s.show("web", "Result"); result != "success" {
				t.Fatalf("Result=%s\n%s", result, s.journal())
			}
			s.serves("web")
			_, err = s.manager.Systemctl(s.ctx, "reset-failed", "web.service") // the limit of starts
			s.must(err)
		}
		stop()
		if t.Failed() {
			t.Log(s.journal())
		}
	})
}

// settled waits until only the main process is left, and no job.
func (s *site) settled(service string) {
	s.Helper()
	s.eventually(service+" has settled", func() bool {
		return s.show(service, "ActiveState") == "active" && s.show(service, "Job") == "" && s.processes(service) == 1
	})
}
