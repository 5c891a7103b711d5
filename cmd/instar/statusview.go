package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
)

// view is the set of services that status looks at, with --watch again and again.
type view struct {
	*options
	*site
	units   []string // none: all services on the bus
	journal words

	mu     sync.Mutex
	silent map[string]bool // names of services that did not answer the last time
	said   map[int]string  // why a process has ended, by its PID
}

const (
	// patience is how long systemd, the bus and each service may take to answer.
	patience = 3 * time.Second
	// lessPatience is that for a service that did not answer the last time: the view
	// of all others does not wait for it again.
	lessPatience = 200 * time.Millisecond
)

// reports asks all at the same time: one that hangs delays no other, and all are there
// within patience.
func (v *view) reports(ctx context.Context) ([]report, error) {
	all := []report{} // not nil: JSON has null for that
	for _, unit := range v.units {
		name, err := status.Name(unit)
		if err != nil {
			return nil, err
		}
		all = append(all, report{Unit: unit, Name: name})
	}
	if len(v.units) == 0 {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		names, err := v.bus.Names(bounded)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			unit, _ := status.UnitOf(name)
			all = append(all, report{Unit: unit, Name: name})
		}
	}
	var asked sync.WaitGroup
	for i := range all {
		asked.Go(func() { v.report(ctx, &all[i]) })
	}
	asked.Wait()
	if len(v.units) > 0 {
		return all, ctx.Err()
	}
	there := all[:0]
	for _, r := range all {
		if !r.gone { // since the names were listed
			there = append(there, r)
		}
	}
	return there, ctx.Err()
}

// report asks the service, systemd and the journal about a service. The unit follows
// from its name, which the bus vouches for, never from the service's own words.
func (v *view) report(ctx context.Context, r *report) {
	bounded, cancel := context.WithTimeoutCause(ctx, patience, errSystemdHangs)
	defer cancel()
	var live units.Status
	var unknown error
	var asked sync.WaitGroup
	if r.Unit != "" {
		asked.Go(func() {
			if live, unknown = v.systemd.Query(bounded, r.Unit); unknown != nil && errors.Is(context.Cause(bounded), errSystemdHangs) {
				unknown = errSystemdHangs
			}
		})
	}
	state, err := v.state(ctx, r.Name)
	asked.Wait()
	if r.Unit != "" && unknown == nil {
		r.Systemd = systemdOf(live)
	}
	if r.gone = errors.Is(err, status.ErrAbsent); err == nil {
		r.State = stateOf(state, r.Systemd)
	}
	if err = errors.Join(err, unknown); err != nil {
		r.Problem = r.explain(err)
	}
	if r.Systemd != nil && r.Systemd.Load == "loaded" {
		r.compare(bounded, v.systemd, state)
	}
	if r.State != nil && r.State.Upgrade != nil && !r.State.Upgrade.Succeeded {
		r.State.Upgrade = upgradeOf(v.journal.of(bounded, r.Unit, r.State.Upgrade.verdict))
	}
	if r.gone && r.Systemd != nil && r.Systemd.why() != "" {
		r.Problem += v.lastWords(bounded, r.Unit, live.LastPID)
	}
}

var errSystemdHangs = fmt.Errorf("systemd does not answer within %v", patience)

// state asks a service.
func (v *view) state(ctx context.Context, name string) (status.State, error) {
	client, err := v.bus.Client(name)
	if err != nil {
		return status.State{}, err
	}
	v.mu.Lock()
	silent := v.silent[name]
	v.mu.Unlock()
	if silent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, lessPatience, status.ErrNoAnswer)
		defer cancel()
	}
	state, err := client.State(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.silent == nil {
		v.silent = make(map[string]bool)
	}
	v.silent[name] = errors.Is(err, status.ErrNoAnswer)
	return state, err
}

// lastWords is the end of a sentence that quotes the last lines of a process from the
// journal. It asks once, and on this machine only.
func (v *view) lastWords(ctx context.Context, unit string, pid int) string {
	if v.host != "" || pid == 0 {
		return ""
	}
	v.mu.Lock()
	said, known := v.said[pid]
	v.mu.Unlock()
	if !known {
		ctx, cancel := context.WithTimeout(ctx, lastLinesFor)
		defer cancel()
		if lines, _ := v.options.said(ctx, unit, pid); len(lines) > 0 {
			if said = lines[0]; !crashes(said) {
				said = lines[len(lines)-1]
			}
		}
		v.mu.Lock()
		if v.said == nil {
			v.said = make(map[int]string)
		}
		v.said[pid] = said
		v.mu.Unlock()
	}
	if said == "" {
		return ""
	}
	return fmt.Sprintf("; PID %d said last: %s", pid, said)
}
