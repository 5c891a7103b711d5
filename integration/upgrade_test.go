package integration

import (
	"bufio"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/instar-project/instar/integration/stage"
)

// The whole path: from a .socket unit to a new version serving, both services
// in their sandboxes, under every kind of load.
func TestUpgradeUnderLoad(t *testing.T) { onEach(t, upgradeUnderLoad) }

func upgradeUnderLoad(t *testing.T, s *site) {
	for _, service := range []string{"web", "echo"} {
		s.release(service, "examples/"+service, "version=v1")
		s.install(service)
		s.must(s.manager.Start(s.ctx, service+".service"))
	}
	if a := s.ask("/"); a.generation != 1 || a.build != "v1" {
		t.Fatalf("the first start answers as %+v", a)
	}
	stop := s.load(true)
	for upgrade := 1; upgrade <= 3; upgrade++ {
		build := fmt.Sprintf("v%d", 1+upgrade%2)
		for _, service := range []string{"web", "echo"} {
			s.release(service, "examples/"+service, "version="+build)
			s.upgrade(service)
			if service == "web" {
				if a := s.ask("/"); a.generation != 1+upgrade || a.build != build {
					t.Errorf("after upgrade %d it answers as %+v", upgrade, a)
				}
			}
			want := fmt.Sprintf("generation %d (%s) serving", 1+upgrade, build)
			if got := s.show(service, "StatusText"); got != want {
				t.Errorf("%s: StatusText is %q, want %q", service, got, want)
			}
		}
	}
	c := stop()
	if len(c.Web) != 4 || len(c.Echo) != 4 {
		t.Errorf("clients have seen the generations %+v and %+v, want 4 of each", c.Web, c.Echo)
	}
	for _, service := range []string{"web", "echo"} {
		if n := s.show(service, "NRestarts"); n != "0" {
			t.Errorf("%s: NRestarts=%s", service, n)
		}
	}
}

// earlier is a revision whose services speak the protocol of the handover as the first
// release will: the last one before the interfaces were reworked for it.
const earlier = "d6bb9db"

// Services go to the present build from an earlier one and back, under load.
func TestUpgradeFromEarlierBuildAndBack(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		release := func(service, revision string) {
			path, err := builder.BuildAt(s.ctx, revision, "examples/"+service, "version="+revision)
			if errors.Is(err, stage.ErrNoRevision) {
				t.Skip(err)
			}
			s.must(err)
			s.must(s.manager.Host().CopyIn(path, s.binary(service), 0o755))
		}
		for _, service := range []string{"web", "echo"} {
			release(service, earlier)
			s.install(service)
			s.must(s.manager.Start(s.ctx, service+".service"))
		}
		stop := s.load(true)
		// Config.MaxDraining allows for no more while streams are open.
		for upgrade := 1; upgrade <= 4; upgrade++ {
			revision := []string{earlier, ""}[upgrade%2]
			for _, service := range []string{"web", "echo"} {
				release(service, revision)
				s.upgrade(service)
			}
			if a := s.ask("/"); a.generation != 1+upgrade || (a.build == earlier) != (revision == earlier) {
				t.Errorf("after upgrade %d to %q it answers as %+v", upgrade, revision, a)
			}
		}
		stop()
		for _, service := range []string{"web", "echo"} {
			if n := s.show(service, "NRestarts"); n != "0" {
				t.Errorf("%s: NRestarts=%s", service, n)
			}
		}
	})
}

// A request in flight at a reload is answered by the predecessor, which exits then.
func TestDrain(t *testing.T) { onEach(t, drain) }

func drain(t *testing.T, s *site) {
	s.release("web", "examples/web", "version=v1")
	s.install("web")
	s.ask("/")
	predecessor := s.mainPID("web")

	c, err := s.manager.Host().Dial(s.ctx, "tcp", webAddress)
	s.must(err)
	defer c.Close()
	idle, err := s.manager.Host().Dial(s.ctx, "tcp", webAddress)
	s.must(err)
	defer idle.Close()
	r := bufio.NewReader(c)
	request := func(path string) {
		_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: web\r\n\r\n", path)
		s.must(err)
	}
	request("/")
	if a, err := readAnswer(r); err != nil || a.close {
		t.Fatalf("before the reload: %+v, %v", a, err)
	}
	request("/slow?d=500ms")
	s.reload("web")
	if a := s.ask("/"); a.generation != 2 {
		t.Errorf("a new connection is answered by %+v", a)
	}
	if a, err := readAnswer(r); err != nil || a.generation != 1 || !a.close {
		t.Fatalf("the request under way: %+v, %v", a, err)
	}
	// So is the next request on a connection that was idle.
	if _, err := fmt.Fprint(idle, "GET / HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if a, err := readAnswer(bufio.NewReader(idle)); err != nil || a.generation != 1 || !a.close {
		t.Fatalf("a request on a connection that was idle: %+v, %v", a, err)
	}
	s.gone(predecessor)
	if a := s.ask("/"); a.generation != 2 {
		t.Errorf("after the drain: %+v", a)
	}
}

// systemctl stop finishes the requests in flight; the sockets stay open.
func TestStop(t *testing.T) { onEach(t, stop) }

func stop(t *testing.T, s *site) {
	s.release("web", "examples/web", "version=v1")
	s.install("web")
	s.ask("/")
	s.stopDrains()
	if a := s.ask("/"); a.generation != 1 {
		t.Errorf("the socket starts the service anew, which answers as %+v", a)
	}
}

// The same after an upgrade, when the main process was not systemd's child from the start.
func TestStopAfterUpgrade(t *testing.T) { onEach(t, stopAfterUpgrade) }

func stopAfterUpgrade(t *testing.T, s *site) {
	s.release("web", "examples/web", "version=v1")
	s.install("web")
	s.ask("/")
	for range 2 {
		predecessor := s.mainPID("web")
		s.upgrade("web")
		s.gone(predecessor)
	}
	successor := s.show("web", "MainPID")
	s.eventually("only the main process is left", func() bool {
		return s.processes("web") == 1 && s.show("web", "MainPID") == successor
	})
	s.stopDrains()
}

// stopDrains is systemctl stop with a request under way, which is finished.
func (s *site) stopDrains() {
	s.Helper()
	answers := make(chan error)
	go func() {
		_, err := s.tryAsk("/slow?d=700ms")
		answers <- err
	}()
	s.eventually("the request is under way", func() bool {
		return strings.Contains(s.sockets(), "ESTAB")
	})
	s.must(s.manager.Stop(s.ctx, "web.service"))
	if err := <-answers; err != nil {
		s.Errorf("a request under way at systemctl stop: %v\n%s", err, s.journal())
	}
	if result := s.show("web", "Result"); result != "success" {
		s.Errorf("Result=%s", result)
	}
}

// sockets lists the connections to the web service.
func (s *site) sockets() string {
	out, err := s.run("ss", "-tnH", "sport", "=", ":8080")
	s.must(err)
	return out
}

// A service may be deployed by moving a symlink: its new target runs next.
func TestMovedSymlink(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		for _, v := range []string{"v1", "v2"} {
			bin, err := builder.Build(s.ctx, "examples/web", "version="+v)
			s.must(err)
			s.must(s.manager.Host().CopyIn(bin, "/opt/releases/"+v+"/web", 0o755))
		}
		point := func(v string) {
			_, err := s.run("sh", "-c", "ln -s releases/"+v+" /opt/web.new && mv -T /opt/web.new /opt/web")
			s.must(err)
		}
		point("v1")
		s.install("web")
		if a := s.ask("/"); a.build != "v1" {
			t.Fatalf("it answers as %+v", a)
		}
		point("v2")
		s.reload("web")
		if a := s.ask("/"); a.build != "v2" || a.generation != 2 {
			t.Errorf("after the symlink was moved it answers as %+v", a)
		}
		if out, err := s.run("readlink", path.Join("/proc", s.show("web", "MainPID"), "exe")); err != nil || strings.TrimSpace(out) != "/opt/releases/v2/web" {
			t.Errorf("the main process runs %q, %v", out, err)
		}
	})
}

// If a successor dies while its predecessor drains, the predecessor takes back: the
// unit does not fail, and no client is refused.
func TestTakeBackInDrain(t *testing.T) { onEach(t, takeBackInDrain) }

func takeBackInDrain(t *testing.T, s *site) {
	s.release("web", "integration/faulty", "version=good")
	s.install("web")
	begun := s.hold()
	predecessor := s.mainPID("web")
	s.release("web", "integration/faulty", "version=better")
	successor := s.upgrade("web")
	s.must(syscall.Kill(successor, syscall.SIGKILL))
	s.eventually("the predecessor is main again", func() bool { return s.mainPID("web") == predecessor })
	if a := s.ask("/"); a.generation != 1 || a.build != "good" {
		t.Errorf("after the take back it answers as %+v", a)
	}
	if err := begun.release(); err != nil {
		t.Errorf("the request that kept the predecessor alive: %v", err)
	}
	if status := s.show("web", "StatusText"); !strings.Contains(status, "took back from generation 2") {
		t.Errorf("StatusText=%q", status)
	}
	if n := s.show("web", "NRestarts"); n != "0" {
		t.Errorf("NRestarts=%s", n)
	}
	s.reload("web")
	if a := s.ask("/"); a.generation != 2 || a.build != "better" {
		t.Errorf("after the next reload it answers as %+v", a)
	}
}

// When the predecessor has gone, systemd is the main process's parent, and
// Restart= works as ever; connections wait in the socket meanwhile.
func TestKillAfterUpgrade(t *testing.T) { onEach(t, killAfterUpgrade) }

func killAfterUpgrade(t *testing.T, s *site) {
	s.release("web", "examples/web", "version=v1")
	s.install("web")
	s.ask("/")
	predecessor := s.mainPID("web")
	successor := s.upgrade("web")
	s.gone(predecessor)
	s.must(syscall.Kill(successor, syscall.SIGKILL))
	for range 20 {
		if _, err := s.tryAsk("/"); err != nil && strings.Contains(err.Error(), "refused") {
			t.Fatal(err)
		}
	}
	s.eventually("systemd restarts the service", func() bool { return s.show("web", "NRestarts") == "1" })
	if a := s.ask("/"); a.generation != 1 {
		t.Errorf("after the restart it answers as %+v", a)
	}
}

// The same under the manager of a user.
func TestUserManager(t *testing.T) {
	for name, story := range map[string]func(*testing.T, *site){
		"upgrade under load": upgradeUnderLoad,
		"drain":              drain,
		"stop":               stop,
		"stop after upgrade": stopAfterUpgrade,
		"take back in drain": takeBackInDrain,
		"kill after upgrade": killAfterUpgrade,
		"failed upgrade":     failedUpgrade,
	} {
		t.Run(name, func(t *testing.T) { onEach(t, asUser(story)) })
	}
}
