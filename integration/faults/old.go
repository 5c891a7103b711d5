package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
)

// lifetimes is until when the processes of a lane were seen, by their PID in the machine.
type lifetimes struct {
	stop context.CancelFunc
	over sync.WaitGroup
	last map[int]time.Time
	slow float64 // the worst of the time
}

// watchLives begins to look at the control group of a lane.
func watchLives(ctx context.Context, lane *site.Lane) *lifetimes {
	ctx, stop := context.WithCancel(ctx)
	l := &lifetimes{stop: stop, last: map[int]time.Time{}}
	l.over.Go(func() {
		inside := map[int]int{}
		for wait(ctx, 50*time.Millisecond) {
			l.slow = max(l.slow, site.Slowness())
			now := time.Now()
			pids, err := lane.Processes()
			if err != nil {
				continue // it has just ended
			}
			for _, pid := range pids {
				if inside[pid] == 0 {
					inside[pid] = insidePID(pid)
				}
				if inside[pid] != 0 {
					l.last[inside[pid]] = now
				}
			}
		}
	})
	return l
}

// Stop returns what was seen.
func (l *lifetimes) Stop() (last map[int]time.Time, slow float64) {
	l.stop()
	l.over.Wait()
	return l.last, l.slow
}

// insidePID is what the machine calls a process of this host, or 0.
func insidePID(pid int) (inside int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(pids)
			if len(fields) > 0 {
				_, _ = fmt.Sscan(fields[len(fields)-1], &inside)
			}
		}
	}
	return inside
}

const (
	// handedBack is what a successor that has failed its probation may take besides its
	// drain: drainGrace of package reload.
	handedBack = 5 * time.Second
	// slack is for the main process, which looks once a second, and for this one.
	slack = 2500 * time.Millisecond
)

// outlived returns the processes that were no longer needed and did not go in time.
func (o outcome) outlived(c cell) (all []string) {
	if c.story.restart {
		return nil // systemd ends them
	}
	for pid, until := range o.lived {
		since, allowed, old := o.oldSince(pid)
		if !old || pid == o.after.PID {
			continue
		}
		allowed += drainTimeout + time.Duration(float64(slack)*max(1, o.slow))
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
			since, allowed, old = at, endTimeout, true
		case e.PID != pid && e.Generation > o.generationOf(pid) && (name == "serving" || name == "probation"):
			// It may not have had the time to say so.
			since, allowed, old = at, endTimeout+time.Second, true
		}
	}
	return since, allowed, old
}
