package faults

import (
	"fmt"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
)

const (
	// handedBack is the time that a successor that has failed its probation may take
	// besides its drain: drainGrace of package reload.
	handedBack = 5 * time.Second
	// longestProbation is that of the stories.
	longestProbation = 2 * time.Second
	// slack is for the main process, which looks once a second, and for this one.
	slack = 2500 * time.Millisecond
)

// outlived returns the processes that were no longer needed and did not go in time.
func (o outcome) outlived(c cell) (all []string) {
	if c.story.restart || c.fault == inject.StopBoth {
		return nil // systemd ends them: no main process is left to do it
	}
	for pid, until := range o.lived {
		since, allowed, old := o.oldSince(pid)
		if !old || pid == o.after.PID {
			continue
		}
		allowed += inService(drainTimeout) + time.Duration(float64(slack)*max(1, o.slow))
		if lived := until.Sub(since); lived > allowed {
			all = append(all, fmt.Sprintf("process %d lived for %v after its time, %v is allowed", pid, lived.Round(time.Millisecond), allowed.Round(time.Millisecond)))
		}
	}
	return all
}

// oldSince is when a process was no longer needed, and how long it may take besides its
// drain.
func (o outcome) oldSince(pid int) (since time.Time, allowed time.Duration, old bool) {
	for _, e := range o.trace {
		if e.Step == nil || e.Step.Kind != inject.Phase {
			continue
		}
		at := time.UnixMicro(e.At)
		switch name := e.Step.Name; {
		case e.PID == pid && (name == "serving" || name == "resuming" || name == "taking back"):
			old = false
		case old:
		case e.PID == pid && name == "handing back":
			since, allowed, old = at, handedBack, true
		case e.PID == pid && (name == "draining" || name == "ended"):
			since, allowed, old = at, inService(endTimeout), true
		case e.PID != pid && e.Generation > o.generationOf(pid) && (name == "serving" || name == "probation"):
			// It may not have had the time to say so.
			since, allowed, old = at, inService(endTimeout)+time.Second, true
			if name == "probation" {
				allowed += longestProbation // in which it may be needed again
			}
		}
	}
	return since, allowed, old
}
