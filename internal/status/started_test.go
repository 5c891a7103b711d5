package status

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"
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
		if got, ok := parseStarted(text); len(text) > handover.MaxStartedWith || !ok || len(got.Settings) != len(all.Fixed)+1 {
			t.Errorf("%d bytes with %d settings, %d is the most", len(text), len(got.Settings), handover.MaxStartedWith)
		}
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

// The note of another generation may be of another build, and hold anything.
func FuzzParseStarted(f *testing.F) {
	f.Add(startedWith(257, units.Execution{Path: "/a", Argv: []string{"/a"}, Fixed: map[string]string{"User": "x"}}).String())
	f.Add(`{"systemd":257,"settings":{"User":"=x"},"variables":{"?":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseStarted(text)
		if !ok {
			return
		}
		_ = s.changed(startedWith(s.Systemd, units.Execution{Path: "/a", Argv: []string{"/a"}}), false)
		_, then, _ := s.follow([]string{"A=1"}, []units.Variables{{Path: "/x", Err: os.ErrPermission}}, nil)
		if len(then.String()) > handover.MaxStartedWith {
			t.Errorf("%d bytes, %d is the most", len(then.String()), handover.MaxStartedWith)
		}
	})
}
