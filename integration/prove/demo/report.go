package demo

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/instar-project/instar/integration/proof"
)

// The least a demo has to show.
const (
	leastUpgrades = 10 // of web
	leastRequests = 50_000
)

// A report is the result of it all. Its JSON is the last line on standard output.
//
// All counts are the clients'. Times are in milliseconds; those of upgrades are
// medians over the upgrades of web that were not rolled back.
type report struct {
	Systemd string `json:"systemd"` // as `systemctl --version` says it: "257.13"

	Upgrades     int `json:"upgrades"` // that succeeded, of both services
	UpgradesWeb  int `json:"upgrades_web"`
	UpgradesEcho int `json:"upgrades_echo"`
	RolledBack   int `json:"rolled_back"`
	Restarts     int `json:"restarts"` // that systemd made by itself: none is expected

	GenerationsSeen int `json:"generations_seen"` // that have answered a client, of both services

	Requests      int `json:"requests"`
	Failed        int `json:"failed"`
	HTTP2Requests int `json:"http2_requests"` // of Requests
	HTTP2Failed   int `json:"http2_failed"`   // of Failed
	Connections   int `json:"connections"`
	Streams       int `json:"streams"`
	StreamsBroken int `json:"streams_broken"`
	StreamLines   int `json:"stream_lines"`
	UDPQueries    int `json:"udp_queries"`
	UDPLost       int `json:"udp_lost"`

	// TakeoverMSMedian is from calling `systemctl reload` (the start of systemctl
	// included) to the first answer of the successor at any client,
	// ReloadMSMedian to the end of `systemctl reload`. The clients ask about
	// every half millisecond: by so much a takeover may look longer than it was.
	TakeoverMSMedian float64 `json:"takeover_ms_median"`
	ReloadMSMedian   float64 `json:"reload_ms_median"`

	// SlowestMS is the longest any client waited for a plain request, its
	// connect included.
	SlowestMS float64 `json:"slowest_ms"`

	Seconds  float64     `json:"seconds"`  // under load
	Problems proof.Lines `json:"problems"` // none, if all is well
}

// newReport adds up the counts of the clients and the ends of the upgrades.
func newReport(o outcome) report {
	c := o.counts
	r := report{
		Systemd:         o.systemd,
		Restarts:        o.restarts,
		GenerationsSeen: len(c.Web) + len(c.Echo),
		Requests:        c.Requests,
		Failed:          c.Failed,
		HTTP2Requests:   c.HTTP2Requests,
		HTTP2Failed:     c.HTTP2Failed,
		Connections:     c.Connections,
		Streams:         c.Streams,
		StreamsBroken:   c.StreamsBroken,
		StreamLines:     c.StreamLines,
		UDPQueries:      c.UDPQueries,
		UDPLost:         c.UDPLost,
		SlowestMS:       milliseconds(c.Slowest),
		Seconds:         o.underLoad.Round(100 * time.Millisecond).Seconds(),
	}
	var takeovers, reloads []time.Duration
	for _, u := range o.upgrades {
		switch {
		case u.RolledBack:
			r.RolledBack++
		case u.Service == web:
			r.UpgradesWeb++
			takeovers = append(takeovers, u.Takeover)
			reloads = append(reloads, u.Reload)
		default:
			r.UpgradesEcho++
		}
	}
	r.Upgrades = r.UpgradesWeb + r.UpgradesEcho
	r.TakeoverMSMedian = milliseconds(median(takeovers))
	r.ReloadMSMedian = milliseconds(median(reloads))
	return r
}

// judge adds faults to the report's problems. It reports whether there are none.
func (r *report) judge(p plan) bool {
	expect := r.Problems.Expect
	expect(r.Failed == 0, "%d of %d requests failed", r.Failed, r.Requests)
	expect(r.StreamsBroken == 0, "%d of %d streams broke", r.StreamsBroken, r.Streams)
	expect(r.UDPLost == 0, "%d of %d UDP queries were lost", r.UDPLost, r.UDPQueries)
	expect(r.Streams > 0 && r.UDPQueries > 0, "no streams or no UDP queries were made")
	expect(r.HTTP2Requests > 0, "no requests were made over HTTP/2")
	expect(r.RolledBack == 1, "%d upgrades were rolled back, instead of the 1 whose build crashes", r.RolledBack)
	expect(r.UpgradesWeb >= p.upgrades, "%d upgrades of web, instead of %d", r.UpgradesWeb, p.upgrades)
	expect(r.UpgradesEcho >= p.upgrades, "%d upgrades of echo, instead of %d", r.UpgradesEcho, p.upgrades)
	expect(r.Requests >= p.requests, "%d requests, instead of %d", r.Requests, p.requests)
	expect(r.Restarts == 0, "systemd had to restart services: %d times", r.Restarts)
	expect(r.GenerationsSeen == r.Upgrades+2, "%d generations answered, though %d upgrades make %d", r.GenerationsSeen, r.Upgrades, r.Upgrades+2)
	return len(r.Problems) == 0
}

// conclude writes the upgrades as a table, the reasons of rollbacks, the counts,
// the first failures if there are any, and the JSON line.
func (r report) conclude(w io.Writer, o outcome) error {
	fmt.Fprintln(w, upgradeTable(o.upgrades))
	for i, u := range o.upgrades {
		if u.RolledBack {
			fmt.Fprintf(w, "Upgrade %d was rolled back, systemctl status says why: %s\n", i+1, u.Why)
		}
	}
	fmt.Fprintln(w, countTable(r))
	if len(o.counts.Failures) > 0 {
		fmt.Fprintln(w, "The first failures, as the clients saw them:")
		for _, f := range o.counts.Failures {
			fmt.Fprintf(w, "  %s %s: %s\n", f.At.Format("15:04:05.000"), f.Client, f.Reason)
		}
	}
	return proof.Conclude(w, r, r.Problems)
}

// upgradeTable shows one upgrade a row.
func upgradeTable(upgrades []upgrade) string {
	t := proof.Table("#", "service", "from", "to", "generation", "first answer", "reload", "")
	for i, u := range upgrades {
		first, end := ms(u.Takeover), ""
		if u.RolledBack {
			first, end = "", "rolled back"
		}
		t.Row(strconv.Itoa(i+1), u.Service, string(u.From), string(u.To), strconv.Itoa(u.Generation), first, ms(u.Reload), end)
	}
	return t.String()
}

// countTable shows the numbers of requests, and of lost ones.
func countTable(r report) string {
	row := func(what string, asked, lost int) []string {
		return []string{what, thousands(asked), strconv.Itoa(lost)}
	}
	return proof.Table("under load for "+strconv.FormatFloat(r.Seconds, 'f', 1, 64)+" s", "", "lost").
		Rows(
			row("HTTP requests", r.Requests, r.Failed),
			row("of them over HTTP/2", r.HTTP2Requests, r.HTTP2Failed),
			row("echo streams", r.Streams, r.StreamsBroken),
			row("UDP queries", r.UDPQueries, r.UDPLost),
			row("upgrades", r.Upgrades, 0)[:2],
			row("rolled back", r.RolledBack, 0)[:2],
		).String()
}

// median returns the middle of the durations, or zero of none.
func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}
