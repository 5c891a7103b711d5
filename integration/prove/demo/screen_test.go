package demo

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/instar-project/instar/integration/load"
)

var begun = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// busy is a state in the middle of everything.
func busy() state {
	return state{
		Doing: "systemctl reload web: build v2", Systemd: "systemd 257.13", Begun: begun,
		Steps: 21, Done: 7, Wanted: 50_000,
		Services: []service{
			{Name: web, Build: "v1", Generation: 4, Processes: 2, Upgrading: true, Rates: []rate{{2, 0}, {3, 12}, {4, 2471.4}}},
			{Name: echo, Build: "v2", Generation: 3, Processes: 2, Rates: []rate{{3, 440}}},
		},
		Upgrades: []upgrade{
			{Service: web, From: "v1", To: "v2", Generation: 2, Takeover: 21 * time.Millisecond, Reload: 40 * time.Millisecond},
			{Service: web, From: "v2", To: crashing, Generation: 2, RolledBack: true, Reload: 15 * time.Millisecond,
				Why: "upgrade failed: the successor ended: exit status 2; generation 2 serves on"},
		},
		Counts: load.Counts{Requests: 31_412, Streams: 41, StreamsBroken: 1, UDPQueries: 3120},
	}
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func TestScreenSaysWhatMatters(t *testing.T) {
	got := escape.ReplaceAllString(screen(busy(), begun.Add(83*time.Second), 120), "")
	for _, want := range []string{
		"Instar  systemd 257.13 · 1m23s · systemctl reload web: build v2",
		"33%",
		"web   generation 4   build v1        upgrading",
		"generation 4    2,471/s ▇▇▇",
		"generation 3       12/s ▇",
		"echo  generation 3   build v2        draining",
		"requests 31,412, 0 failed   streams 41, 1 broken   queries 3,120, 0 lost",
		"✓ web  v1 → v2         generation 2, first answer after 21 ms, reload 40 ms",
		"↺ web  v2 → crashing   rolled back to generation 2, reload 15 ms: upgrade failed: the successor ended",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on the screen:\n%s", want, got)
		}
	}
}

func TestScreenKeepsItsShape(t *testing.T) {
	height := -1
	empty := state{Begun: begun, Services: []service{{Name: web}, {Name: echo}}}
	for _, width := range []int{20, 40, 80, 200} {
		for _, s := range []state{empty, busy()} {
			lines := strings.Split(screen(s, begun, width), "\n")
			if height < 0 {
				height = len(lines)
			}
			if len(lines) != height {
				t.Errorf("%d lines at width %d, %d before: the screen would jump", len(lines), width, height)
			}
			for _, line := range lines {
				if lipgloss.Width(line) > width {
					t.Errorf("wider than %d: %q", width, line)
				}
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 ms", 21_349 * time.Microsecond: "21.3 ms", 2 * time.Second: "2000 ms"} {
		if got := ms(d); got != want {
			t.Errorf("ms(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestProgressIsWhatIsBehind(t *testing.T) {
	for _, test := range []struct {
		s    state
		want float64
	}{
		{state{}, 0},
		{state{Steps: 10, Done: 5, Wanted: 100, Counts: load.Counts{Requests: 20}}, 0.2},
		{state{Steps: 10, Done: 5, Wanted: 100, Counts: load.Counts{Requests: 900}}, 0.5},
		{state{Steps: 10, Done: 10, Wanted: 100, Counts: load.Counts{Requests: 900}}, 1},
	} {
		if got := test.s.progress(); got != test.want {
			t.Errorf("%+v: %v, want %v", test.s, got, test.want)
		}
	}
}

func TestRates(t *testing.T) {
	before := []load.Generation{{Number: 1, Answers: 10}, {Number: 2, Answers: 100}}
	after := []load.Generation{{Number: 1, Answers: 10}, {Number: 2, Answers: 150}, {Number: 3, Answers: 7}}
	got := rates(before, after, 500*time.Millisecond)
	if want := []rate{{1, 0}, {2, 100}, {3, 14}}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("%v, want %v", got, want)
	}
}
