package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/internal/limits"
	"github.com/instar-project/instar/internal/units"
)

// instar installs the command line, and returns how to run it.
func (s *site) instar() func(args ...string) (string, error) {
	s.Helper()
	cli, err := builder.Build(s.ctx, "cmd/instar")
	s.must(err)
	path := "/usr/bin/instar"
	if s.user {
		path = s.manager.Dir() + "/instar"
	}
	s.must(s.manager.Host().CopyIn(cli, path, 0o755))
	return func(args ...string) (string, error) { return s.manager.Run(s.ctx, path, args...) }
}

// http1 leaves the clients of HTTP/2 out.
func http1(c *load.Config) { c.HTTP2 = load.Clients{} }

// No check objects to the units of instar init, they leave hardly a way out of the
// sandbox, and the service is upgraded ten times under load; the service is on the
// bus.
func TestInit(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		instar := s.instar()
		s.release("web", "integration/greet", "version=v1")
		args := []string{"init", "--exec=/opt/web/web", "--listen=8080", "--listen=http=/run/web.sock"}
		out, err := instar(args...)
		s.must(err)
		for _, want := range []string{
			"written    /etc/sysusers.d/instar-web.conf\n",
			"written    /etc/dbus-1/system.d/io.github.instar_project.unit.web.conf\n",
			"written    /etc/systemd/system/web.service\n",
			"written    /etc/systemd/system/web.socket\n",
			"ran        systemctl daemon-reload\n",
			"\n  systemctl enable --now web.socket\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("init does not print %q:\n%s", want, out)
			}
		}
		if out, err := instar("init", "mail", "--exec=/opt/web/web", "--listen=8081"); err == nil || out != "" || !strings.Contains(err.Error(), "such an account already: mail") {
			t.Errorf("init has taken the account of the mail system: %v\n%s", err, out)
		}
		again, err := instar(args...)
		if err != nil || strings.Count(again, "unchanged ") != 4 {
			t.Errorf("init again: %v\n%s", err, again)
		}

		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		for _, how := range [][]string{{"verify", "--strict", "web"}, {"verify", "--strict", "--live", "web"}} {
			if out, err := instar(how...); err != nil || out != "web.service: nothing to say\n" {
				t.Errorf("instar %v: %v\n%s", how, err, out)
			}
		}
		if out, err := s.machine.Run(s.ctx, "sh", "-c", "systemd-analyze verify /etc/systemd/system/web.* 2>&1"); err != nil || out != "" {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
		said, err := s.machine.Run(s.ctx, "systemd-analyze", "security", "--no-pager", "web.service")
		s.must(err)
		if m := exposure.FindStringSubmatch(said); m == nil {
			t.Errorf("systemd-analyze security says no score:\n%s", said)
		} else if score, err := strconv.ParseFloat(m[1], 64); err != nil || score > 1.5 {
			t.Errorf("exposure %s, want at most 1.5\n%s", m[1], said)
		}

		stop := s.load(false, http1) // integration/greet speaks no other
		var served []int             // PIDs
		for generation := 2; generation <= 11; generation++ {
			// Sooner than they drain, the oldest would be cut short: MaxDraining.
			if n := len(served); n >= limits.MaxDraining {
				s.gone(served[n-limits.MaxDraining])
			}
			served = append(served, s.mainPID("web"))
			s.release("web", "integration/greet", fmt.Sprintf("version=v%d", generation))
			if err := s.manager.Reload(s.ctx, "web.service"); err != nil {
				t.Fatalf("%v\n%s", err, s.journal())
			}
			if a := s.ask("/"); a.generation != generation || a.build != fmt.Sprintf("v%d", generation) {
				t.Errorf("after the upgrade to generation %d it answers as %+v", generation, a)
			}
		}
		stop()
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}

		// The helper that init has written needs nothing of the sandbox: somebody has
		// emptied /tmp, and the folders of PrivateTmp= are gone.
		_, err = s.machine.Run(s.ctx, "sh", "-c", "rm -rf /tmp/* /var/tmp/*")
		s.must(err)
		if err := s.manager.Reload(s.ctx, "web.service"); err != nil {
			t.Errorf("%v\n%s", err, s.journal())
		}

		// It tells the truth, before the upgrade where it can.
		s.release("web", "integration/faulty", "version=bad", "fault=crash")
		if err := s.manager.Reload(s.ctx, "web.service"); err == nil {
			t.Error("systemctl reload has succeeded, the upgrade has not")
		}
		journal, err := s.manager.Journal(s.ctx, "web.service")
		s.must(err)
		why := "instar: upgrade 12 "
		if s.version() >= units.ReloadPost {
			why = "instar: preflight refused: "
		}
		if strings.Contains(journal, "not on the bus") || strings.Contains(journal, "not known") || !strings.Contains(journal, why) {
			t.Errorf("the helper has not said why\n%s", journal)
		}

		// A changed file stays.
		const unit = "/etc/systemd/system/web.service"
		s.must(s.machine.WriteFile(unit, []byte("[Service]\nType=notify\n"), 0o644))
		if out, err := instar(args...); err == nil || out != "" {
			t.Errorf("init over a changed file: %v\n%s", err, out)
		}
		if text, err := s.run("cat", unit); err != nil || text != "[Service]\nType=notify\n" {
			t.Errorf("init has changed it: %v\n%s", err, text)
		}
		out, err = instar("verify", "--json", "web")
		var findings []struct{ Rule string }
		if jsonErr := json.Unmarshal([]byte(out), &findings); err == nil || jsonErr != nil || len(findings) == 0 {
			t.Errorf("verify of the changed file: %v, %v\n%s", err, jsonErr, out)
		}
		out, err = instar(append(args, "--force")...)
		if err != nil || !strings.Contains(out, "replaced   "+unit+"\n") {
			t.Errorf("init --force: %v\n%s", err, out)
		}
	})
}

// The same for a user.
func TestInitUser(t *testing.T) {
	onEach(t, asUser(func(t *testing.T, s *site) {
		instar := s.instar()
		s.release("web", "integration/greet", "version=v1")
		out, err := instar("init", "--user", "--exec="+s.binary("web"), "--listen=8080", "--listen=http=%t/web.sock")
		s.must(err)
		if !strings.Contains(out, "ran        systemctl --user daemon-reload\n") || strings.Contains(out, "/etc/") {
			t.Errorf("init prints\n%s", out)
		}
		s.must(s.manager.Start(s.ctx, "web.socket", "web.service"))
		if out, err := instar("verify", "--user", "--strict", "web"); err != nil || out != "web.service: nothing to say\n" {
			t.Errorf("verify: %v\n%s", err, out)
		}
		if out, err := instar("verify", "--user", "--strict", "--live", "web"); err != nil {
			t.Errorf("verify --live: %v\n%s", err, out)
		}
		stop := s.load(false, http1) // integration/greet speaks no other
		s.release("web", "integration/greet", "version=v2")
		if err := s.manager.Reload(s.ctx, "web.service"); err != nil {
			t.Fatalf("%v\n%s", err, s.journal())
		}
		stop()
		s.release("web", "integration/faulty", "version=bad", "fault=crash")
		if err := s.manager.Reload(s.ctx, "web.service"); err == nil {
			t.Error("systemctl reload has succeeded, the upgrade has not")
		}

		// Completion knows the user's units.
		out, err = instar("__complete", "--user", "verify", "we")
		if err != nil || !regexp.MustCompile(`(?m)^web\.service$`).MatchString(out) {
			t.Errorf("completion: %v\n%s", err, out)
		}
	}))
}
