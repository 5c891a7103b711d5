package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"
)

// The views of services in every state, side by side in testdata/status.txt.
func TestStatusText(t *testing.T) {
	now := time.Date(2026, 2, 3, 16, 5, 6, 0, time.UTC)
	began := now.Add(-12 * time.Second)
	party := func(n int) reload.Party {
		return reload.Party{Generation: n, PID: 4700 + n, Build: "v" + string(rune('0'+n))}
	}
	good := reload.Verdict{Attempt: 2, From: party(2), To: party(3), Began: began, Steps: []reload.Step{
		{Phase: "preparing", Took: 10*time.Millisecond + 400*time.Microsecond}, {Phase: "taking over", Took: 730 * time.Microsecond},
	}}
	bad := good
	bad.Err = errors.New("the successor refused: no\x1b[31m backend\nREADY=1")
	running := units.Status{Load: "loaded", Active: "active", Sub: "running", MainPID: 4703, ActiveEnter: now.Add(-time.Hour)}
	sockets := []inside.Socket{{Name: "http", Network: "tcp", Address: "[::]:8080"}, {Name: "http", Network: "unix", Address: "/run/web.sock"}}
	serving := status.State{Generation: 3, Phase: "serving", Build: "v3", MainPID: 4703, Sockets: sockets, Attempts: 2, Verdict: good}

	draining := serving
	draining.Connections, draining.Version, draining.Revision = 40, "v0.3.0", "0123abcd"
	draining.StoreUsed, draining.StoreMax = 3, 64
	draining.Draining = []reload.Draining{
		{Party: party(1), Connections: 1, Deadline: now.Add(-time.Second)},
		{Party: party(2), Connections: 120, Deadline: now.Add(48 * time.Second)},
	}
	failed := serving
	failed.Attempts, failed.NotLasting, failed.Verdict, failed.Since = 3, 2, bad, now.Add(-time.Minute)
	failed.RestartNeeded = []string{"LimitNOFILE=4096 (at the start: 1024)", "ReadOnlyPaths= has changed since the start"}
	failed.UnitProblems = []string{"TimeoutStopSec=5s is less than the drain takes", "KillMode=process leaves processes behind"}
	first := status.State{Generation: 1, Phase: "preparing", MainPID: 4701, Attempts: 1, NotLasting: 1}
	changed := running
	changed.NeedDaemonReload, changed.NRestarts = true, 2

	var all []report
	for _, s := range []struct {
		state status.State
		live  units.Status
	}{{serving, running}, {draining, running}, {failed, changed}, {first, running}} {
		live := systemdOf(s.live)
		all = append(all, report{Unit: "web.service", Name: status.NamePrefix + "web", State: stateOf(s.state, live), Systemd: live})
	}
	all = append(all,
		report{Unit: "none.service", Systemd: systemdOf(units.Status{Load: "not-found", Active: "inactive", Sub: "dead"}), Problem: "there is no such unit"},
		report{Name: status.NamePrefix + "web", Problem: "the bus denies it"},
	)
	for _, c := range []struct {
		err  error
		live units.Status
	}{
		{status.ErrNoAnswer, running},
		{status.ErrAbsent, units.Status{Load: "loaded", Active: "inactive", Sub: "dead", Result: "success", Exit: "exited with status 0", Text: "stopping"}},
		{status.ErrAbsent, units.Status{Load: "loaded", Active: "activating", Sub: "auto-restart", NRestarts: 178, Result: "exit-code",
			Exit: "exited with status 1", Text: "open /etc/dnsd/Corefile: no such file or directory", Errno: syscall.ENOENT}},
		{status.ErrAbsent, units.Status{Load: "loaded", Active: "failed", Sub: "failed", Result: "signal", Exit: "was killed by SIGSEGV", Text: "\x1b[2J", Errno: syscall.EACCES}},
		{errSystemdHangs, units.Status{}},
	} {
		r := report{Unit: "web.service", Name: status.NamePrefix + "web", gone: errors.Is(c.err, status.ErrAbsent)}
		if c.live.Load != "" {
			r.Systemd = systemdOf(c.live)
		}
		r.Problem = r.explain(c.err)
		all = append(all, r)
	}
	var b bytes.Buffer
	if err := printReports(&b, all, now, palette{}, new(scale)); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/status.txt"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s\nis not as in %s (go test -update writes it)", b.String(), file)
	}

	// With colours it is the same text.
	var coloured bytes.Buffer
	if err := printReports(&coloured, all, now, colours, new(scale)); err != nil {
		t.Fatal(err)
	}
	bare := coloured.String()
	for _, sequence := range []string{colours.good, colours.busy, colours.bad, colours.bar, colours.faint, colours.end} {
		bare = strings.ReplaceAll(bare, sequence, "")
	}
	if bare != b.String() {
		t.Errorf("with colours:\n%s", bare)
	}
}

// A bar is empty for nothing, full for all, and neither in between.
func TestGauge(t *testing.T) {
	for _, c := range []struct{ n, most, full int }{
		{0, 1, 0}, {1, 1, barWidth}, {1, 1000, 1}, {999, 1000, barWidth - 1}, {500, 1000, barWidth / 2}, {0, 1000, 0},
	} {
		got := palette{}.gauge(c.n, c.most)
		if strings.Count(got, "█") != c.full || len([]rune(got)) != barWidth {
			t.Errorf("%d of %d: %s", c.n, c.most, got)
		}
	}
	// While it is watched it shrinks with the connections.
	bars := new(scale)
	r := report{Name: "a", State: &stateReport{Connections: 10}}
	bars.of(r)
	r.State.Connections = 3
	if most := bars.of(r); most != 10 {
		t.Errorf("a full bar is %d, want 10", most)
	}
}

// A view takes its place again, cut to the terminal's height where that is known, and
// leaves the last one behind.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	s := &screen{w: &b, fd: -1}
	for _, view := range []string{"one\ntwo\n", "three\n"} {
		if err := s.draw([]byte(view)); err != nil {
			t.Fatal(err)
		}
	}
	s.leave()
	want := enter + home + "one" + next + "two" + next + rest + home + "three" + next + rest + leave + "three\n"
	if b.String() != want {
		t.Errorf("%q\nwant\n%q", b.String(), want)
	}
}
