package demo

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"
)

// well is the outcome of a story as it should be.
func well() (plan, outcome) {
	p := plan{upgrades: leastUpgrades, requests: leastRequests}
	upgrades := []upgrade{{Service: web, To: crashing, RolledBack: true, Why: "upgrade failed: it ended", Reload: time.Hour}}
	generations := []load.Generation{{Number: 1}}
	for n := range p.upgrades {
		for _, name := range []string{web, echo} {
			upgrades = append(upgrades, upgrade{Service: name, From: "v1", To: "v2", Generation: n + 2, Takeover: time.Duration(n) * time.Millisecond, Reload: time.Second})
		}
		generations = append(generations, load.Generation{Number: n + 2})
	}
	return p, outcome{
		systemd:   "257.13",
		upgrades:  upgrades,
		underLoad: 23 * time.Second,
		counts: load.Counts{
			Requests: 50_123, HTTP2Requests: 4000, Streams: 300, StreamLines: 5000, UDPQueries: 6000,
			Web: generations, Echo: generations, Slowest: 12 * time.Millisecond,
		},
	}
}

func TestReportJSONIsTheLastLine(t *testing.T) {
	p, o := well()
	r := newReport(o)
	if !r.judge(p) {
		t.Fatalf("problems: %q", r.Problems)
	}
	var out strings.Builder
	if err := r.conclude(&out, o); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("escape codes in the report")
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	const want = `{"systemd":"257.13","upgrades":20,"upgrades_web":10,"upgrades_echo":10,"rolled_back":1,"restarts":0,"generations_seen":22,` +
		`"requests":50123,"failed":0,"http2_requests":4000,"http2_failed":0,"connections":0,"streams":300,"streams_broken":0,"stream_lines":5000,"udp_queries":6000,"udp_lost":0,` +
		`"takeover_ms_median":4.5,"reload_ms_median":1000,"slowest_ms":12,"seconds":23,"problems":[]}`
	if last != want {
		t.Errorf("last line\n%s\nwant\n%s", last, want)
	}
	if !json.Valid([]byte(last)) {
		t.Errorf("no JSON: %s", last)
	}
	for _, want := range []string{"Upgrade 1 was rolled back, systemctl status says why: upgrade failed: it ended\n", "│ HTTP requests ", "50,123"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the report:\n%s", want, out.String())
		}
	}
}

// Each thing that can be wrong has to be a problem by itself.
func TestReportJudges(t *testing.T) {
	for want, spoil := range map[string]func(r *report){
		"1 of 50123 requests failed":                          func(r *report) { r.Failed = 1 },
		"2 of 300 streams broke":                              func(r *report) { r.StreamsBroken = 2 },
		"3 of 6000 UDP queries were lost":                     func(r *report) { r.UDPLost = 3 },
		"no streams or no UDP queries were made":              func(r *report) { r.Streams = 0 },
		"no requests were made over HTTP/2":                   func(r *report) { r.HTTP2Requests = 0 },
		"0 upgrades were rolled back, instead of the 1":       func(r *report) { r.RolledBack = 0 },
		"2 upgrades were rolled back, instead of the 1":       func(r *report) { r.RolledBack = 2 },
		"9 upgrades of web, instead of 10":                    func(r *report) { r.UpgradesWeb = 9 },
		"9 upgrades of echo, instead of 10":                   func(r *report) { r.UpgradesEcho = 9 },
		"49999 requests, instead of 50000":                    func(r *report) { r.Requests = 49_999 },
		"systemd had to restart services: 1 times":            func(r *report) { r.Restarts = 1 },
		"21 generations answered, though 20 upgrades make 22": func(r *report) { r.GenerationsSeen = 21 },
	} {
		p, o := well()
		r := newReport(o)
		spoil(&r)
		if r.judge(p) || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], want) {
			t.Errorf("%q: problems %q", want, r.Problems)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		of   []time.Duration
		want time.Duration
	}{
		{nil, 0},
		{[]time.Duration{5}, 5},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{9, 1, 5, 7}, 6},
	} {
		if got := median(test.of); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.of, got, test.want)
		}
	}
}
