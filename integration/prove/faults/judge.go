package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
)

// judgement is how a cell has come out.
type judgement struct {
	serves          server
	lostOnVictim    int
	closedIdle      int
	refused         []string
	lostElsewhere   []string
	stateLost       int
	stateLostWhy    []string
	stuck           string
	nrestartsWrong  string
	verdictWrong    string
	twoWriters      []string
	twoAccepting    []string
	outlived        []string
	verdictNotGiven bool // the process that had to give it was killed
}

// well reports whether all is as it should be.
func (j judgement) well() bool { return len(j.problems()) == 0 }

// problems lists the faults, a line each.
func (j judgement) problems() (all []string) {
	for _, s := range j.refused {
		all = append(all, "refused: "+s)
	}
	for _, s := range j.lostElsewhere {
		all = append(all, "lost elsewhere: "+s)
	}
	for _, s := range j.stateLostWhy {
		all = append(all, "state lost: "+s)
	}
	for _, s := range j.twoWriters {
		all = append(all, "two writers: "+s)
	}
	for _, s := range j.twoAccepting {
		all = append(all, "two accepting: "+s)
	}
	for _, s := range j.outlived {
		all = append(all, "outlived: "+s)
	}
	for _, s := range []struct{ what, why string }{{"stuck", j.stuck}, {"nrestarts wrong", j.nrestartsWrong}, {"verdict wrong", j.verdictWrong}} {
		if s.why != "" {
			all = append(all, s.what+": "+s.why)
		}
	}
	return all
}

// judge compares the outcome with the forecasts.
func judge(c cell, o outcome, forecasts []forecast) judgement {
	j := judgement{stateLost: o.counts.StateLost, stateLostWhy: o.counts.Because}
	j.countLosses(c, o)
	j.countClashes(o)
	j.outlived = o.outlived(c)
	if o.err != nil {
		j.stuck = o.err.Error()
	}
	if o.after == (site.Who{}) {
		return j // it has not settled
	}
	j.serves = o.serves()
	if !slices.Contains(forecasts, forecast{j.serves, o.restarts}) {
		j.nrestartsWrong = fmt.Sprintf("the %s serves after %d restarts, expected %v", j.serves, o.restarts, forecasts)
	}
	if o.err == nil && !c.story.restart {
		j.judgeVerdict(c, o)
	}
	return j
}

// lateness is how long a process may take, after it has stopped accepting, to note
// the accepted connections, on an idle machine.
const lateness = 500 * time.Millisecond

// countClashes finds the moments when two processes accepted, or wrote to the store:
// by the locks that they take for it, and by the connections that they have
// accepted.
func (j *judgement) countClashes(o outcome) {
	opened := map[int]int64{} // when a process has opened its gates
	var last int              // the last process that did so
	for _, e := range o.trace {
		switch {
		case e.Clash == inject.Writers:
			j.twoWriters = append(j.twoWriters, fmt.Sprintf("processes %d and %d %s", e.With, e.PID, e.Clash))
		case e.Clash != "":
			j.twoAccepting = append(j.twoAccepting, fmt.Sprintf("processes %d and %d %s", e.With, e.PID, e.Clash))
		case e.Step != nil && e.Step.Name == "open gates":
			opened[e.PID], last = e.At, e.PID
		case e.Client != "" && last != 0 && e.PID != last:
			since := time.Duration(e.At-opened[last]) * time.Microsecond
			if since > time.Duration(float64(lateness)*max(1, o.slow)) {
				j.twoAccepting = append(j.twoAccepting, fmt.Sprintf("process %d accepts a connection %v after process %d has begun to", e.PID, since, last))
			}
		}
	}
}

// serves is which process does, by its number and PID.
func (o outcome) serves() server {
	switch {
	case o.after.PID == o.before.PID:
		return predecessor
	case o.after.Generation == o.before.Generation+1:
		return successor
	}
	return restarted
}

// victims are the processes that did not end, or go on, by themselves.
func (o outcome) victims(c cell) []int {
	var all []int
	if o.fired != nil {
		switch c.fault {
		case inject.DiskFull, inject.CloseNotify, inject.FailSends:
			// It lives on, but for a successor that is unwell and cannot park either: its
			// predecessor has to see it gone.
			gaveUp := func(e inject.Event) bool {
				return e.Step != nil && e.Step.Name == "tell refused" && slices.Contains(o.fired.Victims, e.PID)
			}
			drains := func(e inject.Event) bool {
				return e.Step != nil && e.Step.Name == "draining" && slices.Contains(o.fired.Victims, e.PID)
			}
			// And one that cannot name its successor never drains: it is ended in the end.
			mute := c.fault == inject.CloseNotify && o.after.PID != o.before.PID && !slices.ContainsFunc(o.trace, drains)
			if mute || slices.ContainsFunc(o.trace, gaveUp) {
				all = append(all, o.fired.Victims...)
			}
		case inject.HangMain: // all that it has accepted is finished
		default:
			all = append(all, o.fired.Victims...)
		}
	}
	byWatchdog := o.restarts > 0 && slices.Contains([]inject.Fault{
		inject.StopPredecessor, inject.StopSuccessor, inject.StopBoth, inject.CloseNotify,
	}, c.fault)
	for _, e := range o.trace {
		if e.Dies || byWatchdog && e.PID != o.after.PID {
			all = append(all, e.PID)
		}
	}
	return all
}

// holder is the process that had accepted the connection of a loss. Another one
// may have come from the same port later.
func (o outcome) holder(l loss) (pid int, noted bool) {
	for _, e := range o.trace {
		if e.Client != "" && e.Client == l.Client && e.At <= l.At.UnixMicro() {
			pid, noted = e.PID, true
		}
	}
	return pid, noted
}

// lingers is how long a server waits for a request on an idle connection before it
// closes it: a client that has been slower may have sent one just then, as happens with
// any server.
func (c cell) lingers() time.Duration {
	if c.story.restart {
		return 500 * time.Millisecond // stopLinger of package httpdrain
	}
	return inService(2 * time.Second)
}

// countLosses says of each loss whether a victim held the connection. A connection
// without a note was accepted by a process that died before it could write one: of
// each process, one at most.
func (j *judgement) countLosses(c cell, o outcome) {
	victims := o.victims(c)
	unnoted := map[int]bool{}
	for _, pid := range victims {
		unnoted[pid] = true
	}
	for _, l := range o.counts.Losses {
		pid, noted := o.holder(l)
		switch {
		case l.Refused:
			j.refused = append(j.refused, l.Reason)
		case l.Idle > c.lingers() && pid != o.after.PID:
			j.closedIdle++
		case noted && slices.Contains(victims, pid):
			j.lostOnVictim++
		case !noted && len(unnoted) > 0:
			for pid := range unnoted {
				delete(unnoted, pid)
				break
			}
			j.lostOnVictim++
		default:
			j.lostElsewhere = append(j.lostElsewhere, fmt.Sprintf("%s, on a connection of process %d", l.Reason, pid))
		}
	}
	if o.heldErr != nil {
		cut := slices.ContainsFunc(o.trace, func(e inject.Event) bool { return e.Step != nil && e.Step.Name == "cut" })
		if slices.Contains(victims, o.heldBy) || cut {
			return
		}
		j.lostElsewhere = append(j.lostElsewhere, fmt.Sprintf("the held request: %v, on a connection of process %d", o.heldErr, o.heldBy))
	}
}

// judgeVerdict compares the journal and systemctl status with the process that
// serves.
func (j *judgement) judgeVerdict(c cell, o outcome) {
	wrong := func(format string, args ...any) {
		if j.verdictWrong == "" {
			j.verdictWrong = fmt.Sprintf(format, args...) + fmt.Sprintf(" (the %s serves; verdicts %+v; status %q, errno %d)", j.serves, o.verdicts, o.condition.Status, o.condition.Errno)
		}
	}
	if len(o.verdicts) > 1 {
		wrong("more than one verdict")
		return
	}
	given := len(o.verdicts) == 1
	succeeded := given && o.verdicts[0].Succeeded
	status := o.condition.Status
	switch j.serves {
	case predecessor:
		switch {
		case !given:
			wrong("no verdict")
		case succeeded && !strings.Contains(status, "took back"):
			wrong("success, but the predecessor serves, and the status does not say why")
		case !succeeded && (!strings.Contains(status, "upgrade failed") || o.condition.Errno == 0):
			wrong("the status does not say that the upgrade has failed")
		}
	case successor:
		switch {
		case given && !succeeded:
			wrong("failure, but the successor serves")
		case !given && !slices.Contains(o.victims(c), o.before.PID):
			wrong("no verdict")
		case strings.Contains(status, "failed"):
			wrong("the status says that the upgrade has failed")
		}
		j.verdictNotGiven = !given
	case restarted:
		if !strings.Contains(status, "generation 1 ") {
			wrong("the status is of another process")
		}
	}
}
