package faults

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

func (o *outcome) event(e inject.Event) {
	if e.At == 0 {
		e.At = time.Second.Microseconds()
	}
	o.trace = append(o.trace, e)
}

func (o *outcome) phase(pid, generation int, name string) {
	o.event(inject.Event{PID: pid, Generation: generation, Step: &inject.Step{Kind: inject.Phase, Name: name}})
}

func (o *outcome) opened(pid int) {
	o.event(inject.Event{PID: pid, Step: &inject.Step{Kind: inject.Verb, Name: "open gates"}})
}

func (o *outcome) accepted(pid int, after time.Duration) {
	o.event(inject.Event{At: (time.Second + after).Microseconds(), PID: pid, Client: "z"})
}

func (o *outcome) livedFor(pid int, d time.Duration) {
	o.lived = map[int]time.Time{pid: time.UnixMicro((time.Second + d).Microseconds())}
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
		{"lost as its disk is full", func(c *cell, o *outcome) { c.fault = inject.DiskFull; o.counts.Losses = []loss{{Client: "a", At: at}} }, "lost elsewhere"},
		{"lost as it gives up with a full disk", func(c *cell, o *outcome) {
			c.fault = inject.DiskFull
			o.event(inject.Event{PID: 10, Step: &inject.Step{Kind: inject.Verb, Name: "tell refused"}})
			o.counts.Losses = []loss{{Client: "a", At: at}}
		}, ""},
		{"lost in the drain of a mute one", func(c *cell, o *outcome) {
			c.fault = inject.CloseNotify
			o.phase(10, 2, "draining")
			o.counts.Losses = []loss{{Client: "a", At: at}}
		}, "lost elsewhere"},
		{"lost as a mute one that never drains is ended", func(c *cell, o *outcome) {
			c.fault = inject.CloseNotify
			o.counts.Losses = []loss{{Client: "a", At: at}}
		}, ""},
		{"lost on another", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "b", At: at}} }, "lost elsewhere"},
		{"two without a note", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "c", At: at}, {Client: "d", At: at}} }, "lost elsewhere"},
		{"refused", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Refused: true}} }, "refused"},
		{"closed while idle", func(_ *cell, o *outcome) {
			o.counts.Losses = []loss{{Client: "c", At: at, Idle: 3 * time.Second}, {Client: "d", At: at, Idle: 3 * time.Second}}
		}, ""},
		{"closed while idle by the one that serves", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "b", At: at, Idle: 3 * time.Second}} }, "lost elsewhere"},
		{"closed while idle for a moment", func(_ *cell, o *outcome) { o.counts.Losses = []loss{{Client: "b", At: at, Idle: time.Second}} }, "lost elsewhere"},
		{"another restart", func(_ *cell, o *outcome) { o.restarts = 1 }, "nrestarts wrong"},
		{"the wrong one serves", func(_ *cell, o *outcome) { o.after = o.before }, "nrestarts wrong"},
		{"failure though it serves", func(_ *cell, o *outcome) { o.verdicts[0].Succeeded = false }, "verdict wrong"},
		{"two verdicts", func(_ *cell, o *outcome) { o.verdicts = append(o.verdicts, o.verdicts[0]) }, "verdict wrong"},
		{"none, from a victim", func(_ *cell, o *outcome) { o.verdicts = nil }, ""},
		{"none, from a process that lives", func(c *cell, o *outcome) { o.verdicts, c.fault = nil, inject.DiskFull }, "verdict wrong"},
		{"a status of failure", func(_ *cell, o *outcome) { o.condition.Status = "upgrade failed" }, "verdict wrong"},
		{"two writers", func(_ *cell, o *outcome) { o.event(inject.Event{PID: 11, Clash: inject.Writers, With: 10}) }, "two writers"},
		{"two with open gates", func(_ *cell, o *outcome) { o.event(inject.Event{PID: 11, Clash: inject.Acceptors, With: 10}) }, "two accepting"},
		{"accepted before and noted after", func(_ *cell, o *outcome) { o.opened(11); o.accepted(10, lateness/2) }, ""},
		{"accepted after another opened", func(_ *cell, o *outcome) { o.opened(11); o.accepted(10, 2*lateness) }, "two accepting"},
		{"accepted late on a slow machine", func(_ *cell, o *outcome) { o.slow = 4; o.opened(11); o.accepted(10, 2*lateness) }, ""},
		{"accepted after a take back", func(_ *cell, o *outcome) { o.opened(11); o.opened(10); o.accepted(10, 2*lateness) }, ""},
		{"outlived", func(_ *cell, o *outcome) { o.phase(10, 2, "draining"); o.livedFor(10, 20*time.Second) }, "outlived"},
		{"gone in time", func(_ *cell, o *outcome) { o.phase(10, 2, "draining"); o.livedFor(10, drainTimeout+endTimeout) }, ""},
		{"outlived, and never said that it drains", func(_ *cell, o *outcome) { o.phase(11, 3, "serving"); o.livedFor(10, 20*time.Second) }, "outlived"},
		{"took back", func(_ *cell, o *outcome) {
			o.phase(10, 2, "draining")
			o.phase(10, 2, "resuming")
			o.livedFor(10, 20*time.Second)
		}, ""},
		{"outlived a failed probation", func(_ *cell, o *outcome) { o.phase(12, 3, "handing back"); o.livedFor(12, 20*time.Second) }, "outlived"},
		{"lives on", func(_ *cell, o *outcome) { o.phase(11, 3, "serving"); o.livedFor(11, 20*time.Second) }, ""},
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

// Everything that must be none counts, and is enough for the whole to fail.
func TestReportCounts(t *testing.T) {
	one := []string{"why"}
	for name, j := range map[string]judgement{
		"refused":         {refused: one},
		"lost elsewhere":  {lostElsewhere: one},
		"state lost":      {stateLost: 1, stateLostWhy: one},
		"stuck":           {stuck: "why"},
		"nrestarts wrong": {nrestartsWrong: "why"},
		"verdict wrong":   {verdictWrong: "why"},
		"two writers":     {twoWriters: one},
		"two accepting":   {twoAccepting: one},
		"outlived":        {outlived: one},
	} {
		r := report{CellsByVersion: map[string]int{}}
		if r.add(result{}); !r.well() {
			t.Fatal("one cell that is well is not")
		}
		if r.add(result{judgement: j}); r.well() {
			t.Errorf("%s does not count", name)
		}
		if problems := j.problems(); len(problems) != 1 || !strings.HasPrefix(problems[0], name+": ") {
			t.Errorf("%s: %q", name, problems)
		}
	}
}
