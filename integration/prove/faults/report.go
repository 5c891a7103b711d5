package faults

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/proof"
)

// result is one cell on one version of systemd.
type result struct {
	version string
	cell    cell
	judgement
	requests int
	http2    int // of requests
	took     time.Duration
	slow     float64 // how slow the machine was
}

// A report is the result of it all. Its JSON is the last line on standard output.
type report struct {
	Faults  int `json:"faults"`  // kinds of fault
	Stories int `json:"stories"` // kinds of upgrade
	Steps   int `json:"steps"`   // of both processes, in all stories

	Cells          int            `json:"cells"`
	CellsByVersion map[string]int `json:"cells_by_version"`
	Impossible     int            `json:"cells_impossible"` // no process for the fault to meet
	// LeftOut counts the cells that are not run on purpose, by fault.
	LeftOut map[inject.Fault]int `json:"cells_left_out"`
	// Busy is how many loops kept the machine from being idle; Slowest is how many times
	// longer work took at the worst.
	Busy    int     `json:"busy"`
	Slowest float64 `json:"slowest"`

	Requests      int `json:"requests"`
	HTTP2Requests int `json:"http2_requests"` // of Requests
	Refused       int `json:"refused"`
	LostElsewhere int `json:"lost_elsewhere"` // on connections that no victim held
	LostOnVictim  int `json:"lost_on_victim"`
	ClosedIdle    int `json:"closed_idle"` // that were idle for longer than a server lingers
	StateLost     int `json:"state_lost"`  // increments that were acknowledged
	Stuck         int `json:"stuck"`
	RestartsWrong int `json:"nrestarts_wrong"`
	VerdictWrong  int `json:"verdict_wrong"`
	TwoWriters    int `json:"two_writers"`   // two processes may change the state at the same time
	TwoAccepting  int `json:"two_accepting"` // two processes accept at the same time
	Outlived      int `json:"outlived"`      // processes of old generations that did not end in time
	// NotGiven: the successor serves, and the process that had to say so was killed.
	NotGiven int `json:"verdict_not_given"`

	Seconds float64     `json:"seconds"`
	Untold  proof.Lines `json:"untold"` // verbs and phases that no story gets to
	// Missed: the process got to the step in the recording and not in the cell,
	// because its peer was faster to kill it.
	Missed   proof.Lines `json:"missed"`
	NotRun   proof.Lines `json:"not_run"`
	Problems proof.Lines `json:"problems"`
}

// add counts one cell.
func (r *report) add(one result) {
	r.Cells++
	r.CellsByVersion[one.version]++
	r.Requests += one.requests
	r.HTTP2Requests += one.http2
	r.Refused += len(one.refused)
	r.LostElsewhere += len(one.lostElsewhere)
	r.LostOnVictim += one.lostOnVictim
	r.ClosedIdle += one.closedIdle
	r.StateLost += one.stateLost
	r.TwoWriters += len(one.twoWriters)
	r.TwoAccepting += len(one.twoAccepting)
	r.Outlived += len(one.outlived)
	r.Slowest = max(r.Slowest, math.Round(10*one.slow)/10)
	for _, count := range []struct {
		of  *int
		why string
	}{{&r.Stuck, one.stuck}, {&r.RestartsWrong, one.nrestartsWrong}, {&r.VerdictWrong, one.verdictWrong}} {
		if count.why != "" {
			*count.of++
		}
	}
	if one.verdictNotGiven {
		r.NotGiven++
	}
}

// well reports whether everything that must be none is.
func (r report) well() bool {
	return r.Refused+r.LostElsewhere+r.StateLost+r.Stuck+r.RestartsWrong+r.VerdictWrong+r.TwoWriters+r.TwoAccepting+r.Outlived+len(r.Untold)+len(r.NotRun)+len(r.Problems) == 0 && r.Cells > 0
}

// conclude writes the problems, the table, and the report as the last line.
func (r report) conclude(w io.Writer, results []result) error {
	for _, one := range results {
		if one.verdictNotGiven {
			fmt.Fprintf(w, "no verdict, from a process that was killed: systemd %s, %v\n", one.version, one.cell)
		}
		if one.well() {
			continue
		}
		fmt.Fprintf(w, "systemd %s, %v\n", one.version, one.cell)
		for _, p := range one.problems() {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
	for _, f := range inject.Faults() {
		if n := r.LeftOut[f]; n > 0 {
			fmt.Fprintf(w, "left out, %s at %d steps: %s\n", f, n, whyLeftOut(f))
		}
	}
	for _, u := range r.Untold {
		fmt.Fprintf(w, "no story gets to %s\n", u)
	}
	for _, m := range r.Missed {
		fmt.Fprintf(w, "missed, as the step was not reached again: %s\n", m)
	}
	for _, n := range r.NotRun {
		fmt.Fprintf(w, "not run: %s\n", n)
	}
	fmt.Fprintln(w, faultTable(results))
	if err := proof.Conclude(w, r, r.Problems); err != nil {
		return err
	}
	if !r.well() {
		return proof.ErrFailed
	}
	return nil
}

// faultTable shows a row for each fault and version: the process that served in the
// end, and the problems.
func faultTable(results []result) string {
	type key struct {
		fault   inject.Fault
		version string
	}
	type row struct {
		cells, predecessor, successor, restarted, onVictim, wrong int
		took                                                      []time.Duration
	}
	rows := map[key]*row{}
	for _, one := range results {
		k := key{one.cell.fault, one.version}
		if rows[k] == nil {
			rows[k] = &row{}
		}
		n := rows[k]
		n.cells++
		n.onVictim += one.lostOnVictim
		n.took = append(n.took, one.took)
		switch one.serves {
		case predecessor:
			n.predecessor++
		case successor:
			n.successor++
		case restarted:
			n.restarted++
		}
		if !one.well() {
			n.wrong++
		}
	}
	order := slices.SortedFunc(maps.Keys(rows), func(a, b key) int {
		return cmp.Or(slices.Index(inject.Faults(), a.fault)-slices.Index(inject.Faults(), b.fault), cmp.Compare(a.version, b.version))
	})
	t := proof.Table("fault", "systemd", "cells", "old serves", "new serves", "restarted", "lost on victim", "wrong", "median")
	for _, k := range order {
		n := rows[k]
		texts := []string{string(k.fault), k.version}
		for _, v := range []int{n.cells, n.predecessor, n.successor, n.restarted, n.onVictim, n.wrong} {
			texts = append(texts, strconv.Itoa(v))
		}
		slices.Sort(n.took)
		t.Row(append(texts, n.took[len(n.took)/2].Round(10*time.Millisecond).String())...)
	}
	return t.String()
}
