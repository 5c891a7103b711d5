package integration

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/internal/verdict"
)

// preflight asks over the bus whether the build in place could follow; "" if it could.
func (d statusd) preflight() (refusal string) {
	_, err := d.busctl("call", statusdName, status.Path, status.Interface, "Preflight")
	if err != nil {
		return err.Error()
	}
	return ""
}

// systemd is the version that runs the service.
func (d statusd) systemd() int {
	d.Helper()
	text, err := d.manager.Systemctl(d.ctx, "--version")
	d.must(err)
	version, err := strconv.Atoi(strings.Fields(text)[1])
	d.must(err)
	return version
}

// attempts is how many upgrades there were.
func (d statusd) attempts() int {
	d.Helper()
	text := strings.Trim(strings.TrimPrefix(d.get("Attempts"), `{"type":"t","data":`), "}")
	n, err := strconv.Atoi(text)
	d.must(err)
	return n
}

// The build in place is asked before anything is started: it changes nothing, in
// the sandbox of the service, and where systemd runs ExecReload= before the signal
// a refusal cancels the reload.
func TestPreflight(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		pid := s.mainPID("statusd")
		for _, c := range []struct{ stamps, want string }{
			{"version=v2", ""},
			{"fault=refuse", ""}, // its acts after Open are not known
			{"fault=object", "the successor refused: the configuration names no backend"},
			{"fault=crash", "exited with status 1, without an answer: "},
			{"fault=stuck", "has not answered within 2s (Config.ReadyTimeout)"},
			{"protocol=2.0", "the other generation speaks protocol 2.0, this one 1.0"},
			{"protocol=1.99", ""},
		} {
			s.release("statusd", "integration/statusd", strings.Fields(c.stamps)...)
			if got := d.preflight(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s: %q, want %q", c.stamps, got, c.want)
			}
		}
		s.must(s.manager.Host().WriteFile(s.binary("statusd"), []byte("#!/bin/sh\necho not configured >&2\nexit 5\n"), 0o755))
		if got := d.preflight(); !strings.Contains(got, "exited with status 5, without an answer: not configured") {
			t.Errorf("a program of another kind: %q", got)
		}
		if n := d.attempts(); n != 0 || s.mainPID("statusd") != pid || s.processes("statusd") != 1 {
			t.Errorf("%d attempts, main PID %d, was %d; %d processes\n%s", n, s.mainPID("statusd"), pid, s.processes("statusd"), s.journal())
		}
		s.must(s.machine.SyncJournal(s.ctx))
		out, err := s.run("journalctl", "--boot", "--output=json", "MESSAGE_ID="+verdict.RefusedMessageID)
		s.must(err)
		if n := strings.Count(out, "\n"); n != 5 || strings.Count(out, `"INSTAR_RESULT":"refused"`) != n {
			t.Errorf("%d refusals in the journal, want 5\n%s", n, out)
		}

		// A reload that the new build refuses fails, on 262 before it has begun.
		s.release("statusd", "integration/statusd", "protocol=2.0")
		if err := s.manager.Reload(s.ctx, "statusd.service"); err == nil {
			t.Error("systemctl reload succeeds")
		}
		want := 1
		if d.systemd() >= 262 {
			want = 0
		}
		d.generation(1)
		if n := d.attempts(); n != want || s.mainPID("statusd") != pid {
			t.Errorf("%d attempts, want %d; main PID %d, was %d", n, want, s.mainPID("statusd"), pid)
		}
		journal, err := s.manager.Journal(s.ctx, "statusd.service")
		s.must(err)
		if n := countLines(journal, "instar: ", "the other generation speaks protocol"); n != 1 {
			t.Errorf("%d lines of the helper name the reason, want 1\n%s", n, journal)
		}
	})
}

// countLines counts the lines that have all of the words.
func countLines(text string, words ...string) int {
	n := 0
	for line := range strings.Lines(text) {
		has := true
		for _, w := range words {
			has = has && strings.Contains(line, w)
		}
		if has {
			n++
		}
	}
	return n
}

// Builds whose protocols differ in the minor version upgrade into each other, both
// ways; another major version is refused, both ways, with nothing changed.
func TestTwoProtocols(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		for i, c := range []struct {
			protocol, probation string
			refused             string
		}{
			{protocol: "1.99"},
			{},
			{protocol: "1.99", probation: "300ms"},
			{protocol: "1.99"},
			{protocol: "2.0", refused: "speaks protocol"},
			{probation: "300ms"},
			{protocol: "2.0", refused: "speaks protocol"},
			{},
		} {
			before := d.get("Generation")
			probation := c.probation
			if probation == "" {
				probation = "0s"
			}
			s.release("statusd", "integration/statusd", "version=v"+strconv.Itoa(i+2), "protocol="+c.protocol, "probation="+probation)
			err := s.manager.Reload(s.ctx, "statusd.service")
			if (err != nil) != (c.refused != "") {
				t.Fatalf("reload %d (%+v): %v\n%s", i+1, c, err, s.journal())
			}
			if c.refused != "" {
				if after := d.get("Generation"); after != before {
					t.Errorf("reload %d: generation %s is main, was %s", i+1, after, before)
				}
				if got := d.preflight(); !strings.Contains(got, c.refused) {
					t.Errorf("preflight %d: %q", i+1, got)
				}
				continue
			}
			s.eventually("the build serves", func() bool { return strings.Contains(d.get("Build"), fmt.Sprintf(`"v%d"`, i+2)) })
		}
		if n := s.show("statusd", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// And so they do under load, with state, and with a predecessor that takes back.
func TestTwoProtocolsWithState(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=v1")
		s.install("web", "FileDescriptorStoreMax=64")
		s.must(s.manager.Start(s.ctx, "web.service"))
		stop := s.load(false)
		born, count := s.count()
		for i, stamps := range []string{"protocol=1.99", "protocol=", "protocol=1.99 probation=300ms", "probation=300ms", "protocol=1.99"} {
			build := "v" + strconv.Itoa(i+2)
			s.release("web", "integration/faulty", append(strings.Fields(stamps), "version="+build)...)
			s.reload("web")
			if a := s.ask("/"); a.build != build {
				t.Errorf("after the upgrade to %s it answers as %+v\n%s", build, a, s.journal())
			}
			if b, n := s.count(); b != born || n != count+1 {
				t.Errorf("%s counts %d, want %d; born %s, was %s", build, n, count+1, b, born)
			}
			count++
			s.settled("web") // of too many that drain the oldest is cut short
		}
		// It speaks 1.99 now, and takes back from one that does not.
		s.release("web", "integration/faulty", "version=unwell", "fault=unwell", "probation=5s")
		s.reload("web")
		if a := s.ask("/"); a.build != "v6" {
			t.Errorf("after the take back it answers as %+v", a)
		}
		if b, n := s.count(); b != born || n != count+1 {
			t.Errorf("after the take back it counts %d, want %d; born %s, was %s", n, count+1, b, born)
		}
		s.release("web", "integration/faulty", "version=other", "protocol=2.0")
		s.reload("web")
		if status := s.show("web", "StatusText"); !strings.Contains(status, "does not speak the handover protocol") {
			t.Errorf("StatusText is %q", status)
		}
		stop()
		if n := s.show("web", "NRestarts"); n != "0" {
			t.Errorf("NRestarts=%s", n)
		}
	})
}

// count adds one to the state of the web service, and returns it.
func (s *site) count() (born string, n int) {
	s.Helper()
	c, err := s.manager.Host().Dial(s.ctx, "tcp", webAddress)
	s.must(err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /count HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	s.must(err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	s.must(err)
	defer res.Body.Close()
	_, err = fmt.Fscan(res.Body, &born, &n)
	s.must(err)
	return born, n
}

// started asks the service for its start's arguments and variables.
func (d statusd) started() string {
	d.Helper()
	c, err := d.manager.Host().Dial(d.ctx, "unix", "/run/statusd.sock")
	d.must(err)
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	d.must(err)
	_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	return rest
}

// Changed arguments and variables reach a successor if the service wants them to,
// and it names those that do not.
func TestChangedUnit(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		change := func(lines string) {
			t.Helper()
			s.must(s.manager.InstallUnit("statusd.service.d/test.conf", "[Service]\n"+lines))
			s.must(s.manager.DaemonReload(s.ctx))
		}
		upgrade := func(build, follow, started string) {
			t.Helper()
			s.release("statusd", "integration/statusd", "version="+build, "follow="+follow)
			s.reload("statusd")
			s.eventually("the build serves", func() bool { return strings.Contains(d.get("Build"), `"`+build+`"`) })
			if got := d.started(); got != build+" "+started {
				t.Errorf("%s was started with %q, want %q", build, got, started)
			}
		}
		needed := func(want string) {
			t.Helper()
			s.eventually("RestartNeeded is "+want, func() bool { return d.get("RestartNeeded") == `{"type":"as","data":[`+want+`]}` })
		}
		s.must(s.manager.Host().WriteFile("/etc/statusd.env", []byte("FAREWELL='so long'\n"), 0o644))
		// When it knows the problems of its unit, it has looked at it as it was started.
		s.must(s.manager.InstallUnit("statusd.service.d/problem.conf", "[Service]\nTimeoutStopSec=9s\n"))
		change("Environment=GREETING=hello FAREWELL=bye\n")
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		s.eventually("it has looked at its unit", func() bool { return strings.Contains(d.get("UnitProblems"), "[timeout-stop]") })

		// A service that does not ask for it goes on as it was.
		change("Environment=GREETING=welcome\nExecStart=\nExecStart=/opt/statusd/statusd --loud\nLimitNOFILE=4321\n")
		upgrade("v2", "", "|hello|bye")
		const limit = `"LimitNOFILE=4321 (at the start: 524288 1024)"`
		needed(`"ExecStart=/opt/statusd/statusd --loud (at the start: /opt/statusd/statusd)",` + limit + `,"Environment=: FAREWELL, GREETING changed since the start"`)
		upgrade("v3", "yes", "|hello|bye") // it was v2 that has started it
		needed(limit)
		upgrade("v4", "yes", "--loud|welcome|")
		needed(limit)

		change("EnvironmentFile=/etc/statusd.env\nExecStart=\nExecStart=/opt/statusd/statusd ${FAREWELL} $FAREWELL $$\nReadOnlyPaths=/opt\nLockPersonality=yes\nExecStartPre=/bin/true now\n")
		upgrade("v5", "yes", "so long so long $||so long")
		needed(`"ExecStartPre=/bin/true now (at the start: none)","LockPersonality=true (at the start: false)","ReadOnlyPaths=/opt (at the start: none)"`)
		if n := countLines(s.logOf(d), "a restart is needed", "LockPersonality=", "ReadOnlyPaths="); n != 1 {
			t.Errorf("the log says so %d times\n%s", n, s.logOf(d))
		}
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		needed("")
		likeSystemd(s, "../internal/units/testdata/environment/odd.env")
	})
}

// likeSystemd compares systemd and package units on an EnvironmentFile=.
func likeSystemd(s *site, file string) {
	s.Helper()
	text, err := os.ReadFile(file)
	s.must(err)
	s.must(s.manager.Host().WriteFile("/etc/odd.env", text, 0o644))
	out, err := s.manager.Run(s.ctx, "systemd-run", "--wait", "--pipe", "--quiet", "--property=EnvironmentFile=/etc/odd.env", "env", "--null")
	s.must(err)
	theirs := make(map[string]string)
	for kv := range strings.SplitSeq(out, "\x00") {
		name, value, _ := strings.Cut(kv, "=")
		theirs[name] = value
	}
	variables := units.Execution{EnvironmentFiles: []units.EnvironmentFile{{Path: file}}}.Variables()
	s.must(variables[1].Err)
	ours := make(map[string]string)
	for _, kv := range variables[1].Assignments {
		name, value, _ := strings.Cut(kv, "=")
		ours[name] = value
	}
	for name, value := range ours {
		if theirs[name] != value {
			s.Errorf("%s is %q, for systemd %q", name, value, theirs[name])
		}
	}
	for name := range theirs {
		if _, known := ours[name]; !known && name != "" && strings.Contains(string(text), name+"=") {
			s.Errorf("%s is not set, for systemd it is %q", name, theirs[name])
		}
	}
	if len(ours) < 15 {
		s.Errorf("%d variables", len(ours))
	}
}

// logOf is the journal of the service.
func (s *site) logOf(d statusd) string {
	s.Helper()
	text, err := s.manager.Journal(s.ctx, "statusd.service")
	s.must(err)
	return text
}

// A unit that does not go together with the service's limits is named at the start.
func TestUnitThatDoesNotFit(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		s.must(s.manager.InstallUnit("statusd.service.d/test.conf", "[Service]\nTimeoutStopSec=9s\nTimeoutStartSec=2s\nKillMode=mixed\nWatchdogSec=30s\n"))
		s.must(s.manager.DaemonReload(s.ctx))
		s.release("statusd", "integration/statusd", "version=v1", "probation=60s")
		s.must(s.manager.Restart(s.ctx, "statusd.service"))
		d.generation(1)
		me := "statusd[" + s.show("statusd", "MainPID") + "]"
		rules := []string{"kill-mode", "timeout-stop", "timeout-start", "watchdog"}
		s.eventually("UnitProblems are seen", func() bool { return !strings.HasSuffix(d.get("UnitProblems"), "[]}") })
		problems := d.get("UnitProblems")
		for _, rule := range rules {
			if !strings.Contains(problems, "["+rule+"]") {
				t.Errorf("UnitProblems has no %s: %s", rule, problems)
			}
			if n := countLines(s.logOf(d), me, "ERROR the unit does not fit the service", "["+rule+"]"); n != 1 && rule != "watchdog" {
				t.Errorf("the log has %d lines of %s\n%s", n, rule, s.logOf(d))
			}
		}
		if n := strings.Count(problems, "statusd."); n != len(rules) {
			t.Errorf("UnitProblems has %d entries, want %d: %s", n, len(rules), problems)
		}
		// Problems that the environment shows are logged without a bus, once.
		if n := countLines(s.logOf(d), me, "the unit does not fit the service", "WatchdogSec="); n != 1 {
			t.Errorf("the log has %d lines of WatchdogSec=\n%s", n, s.logOf(d))
		}
	})
}

// SIGHUP to a process that is only asked, as logrotate and systemctl kill send it to the
// whole unit, is no answer: it is asked again.
func TestPreflightKilledBySIGHUP(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := installStatusd(s)
		d.generation(1)
		main := s.show("statusd", "MainPID")
		s.release("statusd", "integration/statusd", "version=v2", "fault=stuck")
		answer := make(chan string, 1)
		go func() { answer <- d.preflight() }()
		s.eventually("the process that is asked gets a SIGHUP", func() bool {
			for _, pid := range s.pids("statusd") {
				if pid != main {
					_, err := s.run("kill", "-HUP", pid)
					return err == nil
				}
			}
			return false
		})
		// The next one is stuck for as long as it may be.
		if refusal := <-answer; !strings.Contains(refusal, "has not answered within 2s") {
			t.Errorf("refused: %s\n%s", refusal, s.journal())
		}
		if n := d.attempts(); n != 0 || s.show("statusd", "MainPID") != main {
			t.Errorf("%d attempts, main PID %s, was %s", n, s.show("statusd", "MainPID"), main)
		}
	})
}

// A Go program that does not have the library would run beside the service until it is
// killed: it is not started, neither to be asked nor to serve.
func TestForeignProgramIsNotStarted(t *testing.T) {
	foreign := buildForeign(t)
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=good")
		s.install("web")
		s.ask("/")
		main := s.mainPID("web")
		s.must(s.manager.Host().CopyIn(foreign, s.binary("web"), 0o755))
		s.reload("web")
		if text := s.show("web", "StatusText"); !strings.Contains(text, "is a Go program (example.com/foreign) that does not use github.com/instar-project/instar") {
			t.Errorf("StatusText is %q", text)
		}
		s.must(s.machine.SyncJournal(s.ctx))
		if journal := s.journal(); strings.Contains(journal, "migrating the database") {
			t.Errorf("it was started\n%s", journal)
		}
		if a := s.ask("/"); a.build != "good" || s.mainPID("web") != main {
			t.Errorf("it answers as %+v, main PID %d, was %d", a, s.mainPID("web"), main)
		}
	})
}

// buildForeign builds a program of another module, which prints its acts.
func buildForeign(t *testing.T) (program string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.com/foreign\n",
		"main.go": "package main\n\nfunc main() { println(\"migrating the database\"); select {} }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	program = filepath.Join(dir, "foreign")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
