package main

import (
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
)

// upgraded is a cell that came out as it should: its predecessor was killed in
// the drain.
func upgraded() (cell, outcome) {
	fired := &inject.Event{PID: 10, Fault: inject.KillPredecessor, Victims: []int{10}}
	return cell{story: story{name: "short"}, fault: inject.KillPredecessor}, outcome{
		before:    site.Who{PID: 10, Generation: 2},
		after:     site.Who{PID: 11, Generation: 3},
		condition: site.Condition{Active: "active running", Status: "generation 3 (short) serving"},
		fired:     fired,
		trace:     []inject.Event{{PID: 10, Client: "a"}, {PID: 11, Client: "b"}, *fired, {At: 9, PID: 11, Client: "a"}},
		verdicts:  []site.Verdict{{PID: 10, Successor: 11, Succeeded: true}},
	}
}

func TestJudge(t *testing.T) {
	at := time.UnixMicro(5)
	for _, c := range []struct {
		name   string
		change func(*cell, *outcome)
		want   string // in the only problem; "": none
	}{
		{"as it should be", func(*cell, *outcome) {}, ""},
		{"lost on the victim", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "a", At: at}} }, ""},
		{"lost before it could say so", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "c", At: at}} }, ""},
		{"lost on another", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "b", At: at}} }, "lost elsewhere"},
		{"two that nobody took note of", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "c", At: at}, {Client: "d", At: at}} }, "lost elsewhere"},
		{"refused", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Refused: true}} }, "refused"},
		{"another restart", func(_ *cell, o *outcome) { o.restarts = 1 }, "nrestarts wrong"},
		{"the wrong one serves", func(_ *cell, o *outcome) { o.after = o.before }, "nrestarts wrong"},
		{"failure though it serves", func(_ *cell, o *outcome) { o.verdicts[0].Succeeded = false }, "verdict wrong"},
		{"two verdicts", func(_ *cell, o *outcome) { o.verdicts = append(o.verdicts, o.verdicts[0]) }, "verdict wrong"},
		{"none, from a victim", func(_ *cell, o *outcome) { o.verdicts = nil }, ""},
		{"none, from a process that lives", func(c *cell, o *outcome) { o.verdicts, c.fault = nil, inject.DiskFull }, "verdict wrong"},
		{"a status of failure", func(_ *cell, o *outcome) { o.condition.Status = "upgrade failed" }, "verdict wrong"},
		{"state lost", func(_ *cell, o *outcome) { o.counts.StateLost, o.counts.Because = 1, []string{"1"} }, "state lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cell, o := upgraded()
			c.change(&cell, &o)
			problems := judge(cell, o, []forecast{carriesOn}).problems()
			if c.want == "" && len(problems) > 0 || c.want != "" && !strings.Contains(strings.Join(problems, "\n"), c.want) {
				t.Errorf("%q, want %q", problems, c.want)
			}
		})
	}
}
