package status

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/units"
)

func TestStarted(t *testing.T) {
	x := units.Execution{
		Path: "/opt/web/web", Argv: []string{"/opt/web/web"},
		Environment: []string{"B=1", "A=1", "A=2"},
		Fixed:       map[string]string{"LimitNOFILE": "1024;", "ReadOnlyPaths": "[];"},
	}
	first := startedWith(257, x)
	if !slices.Equal(first.Variables, []string{"A", "B"}) {
		t.Errorf("variables %q", first.Variables)
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
	other.Environment = nil
	other.Fixed = maps.Clone(x.Fixed)
	other.Fixed["LimitNOFILE"] = "2048;"
	other.Fixed["PrivateBPF"] = "true;" // of a setting that was not known then
	now := startedWith(257, other)
	if got, want := before.changed(now, false), []string{"Environment=", "ExecStart=", "LimitNOFILE="}; !slices.Equal(got, want) {
		t.Errorf("changed: %q, want %q", got, want)
	}
	if got, want := before.changed(now, true), []string{"LimitNOFILE="}; !slices.Equal(got, want) {
		t.Errorf("changed, with Config.Command: %q, want %q", got, want)
	}
	if got := before.changed(startedWith(262, other), false); len(got) > 0 {
		t.Errorf("another systemd: %q", got)
	}
	for _, text := range []string{"", "{}", "[1]", "systemd 257", `{"systemd":"257"}`} {
		if s, ok := parseStarted(text); ok {
			t.Errorf("%q is understood as %v", text, s)
		}
	}

	// All that there is fits.
	all := units.Execution{Path: "/a", Argv: []string{"/a"}, Fixed: make(map[string]string)}
	for _, directive := range units.FixedSettings() {
		all.Fixed[directive] = "value"
	}
	if n := len(startedWith(257, all).String()); n > reload.MaxStartedWith/2 {
		t.Errorf("%d bytes, %d is the most", n, reload.MaxStartedWith)
	}
}

func TestEnvironment(t *testing.T) {
	got := environment(
		[]string{"PATH=/bin", "INVOCATION_ID=1", "OLD=1", "KEPT=1", "LANG=C", "LAST=1"},
		[]string{"KEPT", "LANG", "OLD"},
		[]string{"KEPT=2", "NEW=1", "KEPT=3", "GONE=1", "HERE=1"},
		[]string{"GONE", "HERE=2", "LAST=1"})
	if want := []string{"PATH=/bin", "INVOCATION_ID=1", "LANG=C", "NEW=1", "KEPT=3", "HERE=1"}; !slices.Equal(got, want) {
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
