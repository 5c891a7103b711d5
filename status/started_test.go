package status

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/units"
)

func TestStarted(t *testing.T) {
	x := units.Execution{
		Path: "/opt/web/web", Argv: []string{"/opt/web/web"},
		Environment: []string{"B=1", "A=1", "A=2"},
		Fixed:       map[string]string{"LimitNOFILE": "1024 512", "ReadOnlyPaths": "", "SetCredential": "[[a secret]]"},
	}
	first := startedWith(257, x)
	if want := map[string]map[string]string{"": {"A": digest("2"), "B": digest("1")}}; !reflect.DeepEqual(first.Variables, want) {
		t.Errorf("variables %q, want %q", first.Variables, want)
	}
	if strings.Contains(first.String(), "secret") {
		t.Errorf("%s has a secret", first)
	}
	before, ok := parseStarted(first.String())
	if !ok {
		t.Fatalf("%s is not understood", first)
	}
	if got := before.changed(first, false); len(got) > 0 || got == nil {
		t.Errorf("%#v has changed", got)
	}
	other := x
	other.Argv = []string{"/opt/web/web", "--new"}
	other.Fixed = maps.Clone(x.Fixed)
	other.Fixed["LimitNOFILE"] = "2048"
	other.Fixed["SetCredential"] = "[[a another]]"
	other.Fixed["ReadOnlyPaths"] = strings.Repeat("/opt ", 20)
	other.Fixed["PrivateBPF"] = "true" // of a setting that was not known then
	now, _ := parseStarted(startedWith(257, other).String())
	want := []string{
		"ExecStart=/opt/web/web --new (at the start: /opt/web/web)",
		"LimitNOFILE=2048 (at the start: 1024 512)",
		"ReadOnlyPaths= has changed since the start",
		"SetCredential= has changed since the start",
	}
	if got := before.changed(now, false); !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
	if got := before.changed(now, true); !slices.Equal(got, want[1:]) {
		t.Errorf("changed, with Config.Command: %q, want %q", got, want[1:])
	}
	if got := before.changed(startedWith(262, other), false); len(got) > 0 {
		t.Errorf("another systemd: %q", got)
	}
	for _, text := range []string{"", "{}", "[1]", "systemd 257", `{"systemd":"257"}`, `{"systemd":257,"variables":["A"]}`} {
		if s, ok := parseStarted(text); ok {
			t.Errorf("%q is understood as %v", text, s)
		}
	}

	// All that there is fits, with less of the values if it must.
	for _, value := range []string{"value", strings.Repeat("v", 60)} {
		all := units.Execution{Path: "/a", Argv: []string{"/a"}, Fixed: make(map[string]string)}
		for _, directive := range units.FixedSettings() {
			all.Fixed[directive] = value
		}
		text := startedWith(257, all).String()
		if got, ok := parseStarted(text); len(text) > reload.MaxStartedWith || !ok || len(got.Settings) != len(all.Fixed)+1 {
			t.Errorf("%d bytes with %d settings, %d is the most", len(text), len(got.Settings), reload.MaxStartedWith)
		}
	}
}

func TestEnvironment(t *testing.T) {
	source := func(path string, assignments ...string) units.Variables {
		return units.Variables{Path: path, Assignments: assignments}
	}
	unreadable := units.Variables{Path: "/secret", Err: os.ErrPermission}
	seen := func(all ...units.Variables) map[string]map[string]string {
		var s started
		s.add(all)
		return s.Variables
	}
	own := []string{"PATH=/bin", "INVOCATION_ID=1", "OLD=1", "KEPT=1", "LANG=C", "TOKEN=one", "LAST=1"}
	for _, c := range []struct {
		name   string
		before map[string]map[string]string
		now    []units.Variables
		unset  []string
		want   []string
	}{
		{
			"the unit's variables are what it says now",
			seen(source("", "KEPT=1", "LANG=C", "OLD=1")),
			[]units.Variables{source("", "KEPT=2", "NEW=1"), source("/etc/x", "KEPT=3", "GONE=1", "HERE=1")},
			[]string{"GONE", "HERE=2", "LAST=1"},
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "NEW=1", "KEPT=3", "HERE=1"},
		}, {
			"what a file has set goes with the file",
			seen(source("/etc/x", "OLD=1", "KEPT=1")), nil, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1"},
		}, {
			"what a file that cannot be read has set stays",
			seen(source("", "OLD=1", "KEPT=1"), source("/secret", "TOKEN=one")),
			[]units.Variables{source("", "KEPT=2", "PATH=/opt"), unreadable}, nil,
			[]string{"INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1", "KEPT=2", "PATH=/opt"},
		}, {
			"and overrides what others set, though it was never read",
			seen(source("", "TOKEN=default", "OLD=1", "KEPT=1")),
			[]units.Variables{source("", "TOKEN=default", "KEPT=2"), unreadable}, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "TOKEN=one", "LAST=1", "KEPT=2"},
		}, {
			"nothing was seen",
			nil, []units.Variables{source("", "TOKEN=default", "NEW=1"), unreadable}, nil,
			[]string{"PATH=/bin", "INVOCATION_ID=1", "OLD=1", "KEPT=1", "LANG=C", "TOKEN=one", "LAST=1", "NEW=1"},
		},
	} {
		if got := environment(own, c.before, c.now, c.unset); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What a file has set stays known, from one generation that could read it to the next.
func TestVariablesStayKnown(t *testing.T) {
	var s started
	s.add([]units.Variables{{Path: "/x", Assignments: []string{"A=1", "B=1"}}})
	s.add([]units.Variables{{Path: "/x", Err: os.ErrPermission}})
	s.add([]units.Variables{{Path: "/x", Assignments: []string{"A=2"}}})
	if want := map[string]string{"A": digest("2"), "B": ""}; !maps.Equal(s.Variables["/x"], want) {
		t.Errorf("%q, want %q", s.Variables["/x"], want)
	}
}

func TestOtherVariables(t *testing.T) {
	var s started
	s.add([]units.Variables{
		{Assignments: []string{"A=1", "B=1"}},
		{Path: "/x", Assignments: []string{"C=1", "D=1"}},
		{Path: "/hidden", Assignments: []string{"E=1"}},
		{Path: "/dropped", Assignments: []string{"F=1"}},
	})
	got := s.otherVariables([]units.Variables{
		{Assignments: []string{"A=1", "B=2", "A=1"}},
		{Path: "/x", Assignments: []string{"D=1", "G=1"}},
		{Path: "/hidden", Err: os.ErrPermission},
		{Path: "/new", Assignments: []string{"H=1", "I=1"}},
	}, []string{"H=1", "I=2"})
	want := []string{
		"Environment=: B changed since the start",
		"EnvironmentFile=/x: C, G changed since the start",
		"EnvironmentFile=/new: I changed since the start",
		"EnvironmentFile=/dropped: F changed since the start",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestProblems(t *testing.T) {
	unit := func(lines string) units.Pair {
		socket := units.Parse("web.socket", "", "[Socket]\nFileDescriptorName=http\nListenStream=80\n")
		return units.Pair{Service: units.Parse("web.service", "", lines), Sockets: []*units.Unit{socket}}
	}
	const good = "[Unit]\nRequires=web.socket\nAfter=web.socket\n[Service]\nType=notify-reload\nNotifyAccess=main\nExecStart=/opt/web\nKillMode=control-group\n"
	for _, c := range []struct {
		name, lines string
		config      reload.Config
		generation  int
		want        []string // the rules
	}{
		{"good", good, reload.Config{}, 1, nil},
		{"Type=", good + "Type=simple\n", reload.Config{}, 1, []string{"service-type"}},
		{"KillMode=", good + "KillMode=mixed\n", reload.Config{}, 1, []string{"kill-mode"}},
		{"TimeoutStopSec=", good + "TimeoutStopSec=1min\n", reload.Config{DrainTimeout: time.Minute}, 1, []string{"timeout-stop"}},
		{"TimeoutStartSec=", good + "TimeoutStartSec=1min\n", reload.Config{ReadyTimeout: time.Minute}, 1, []string{"timeout-start"}},
		{"WatchdogSec=", good + "WatchdogSec=1min\n", reload.Config{Probation: time.Minute}, 1, []string{"watchdog"}},
		{"NotifyAccess=", good + "NotifyAccess=all\n", reload.Config{}, 1, []string{"notify-access"}},
		{"NotifyAccess= while a generation drains", good + "NotifyAccess=all\n", reload.Config{}, 2, nil},
		{"'@'", good + "ExecStart=\nExecStart=@/opt/web web\n", reload.Config{}, 1, []string{"exec-start-argv0"}},
		{"'@' that is allowed for", good + "ExecStart=\nExecStart=@/opt/web web\n", reload.Config{Executable: "/opt/web"}, 1, nil},
	} {
		got := problems(unit(c.lines), c.config, 257, c.generation)
		matches := len(got) == len(c.want)
		for i := 0; matches && i < len(got); i++ {
			matches = got[i].Rule == c.want[i]
		}
		if !matches {
			t.Errorf("%s: %v, want those of %q", c.name, got, c.want)
		}
	}
}
