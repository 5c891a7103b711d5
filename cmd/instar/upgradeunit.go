package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"
)

// upgrade is that of one unit.
type upgrade struct {
	*site
	unit  string
	flags upgradeFlags
	tell  *progress

	client  *status.Client
	changes <-chan struct{} // on the bus
}

// errTimeout is the cause of a context that --timeout has ended.
var errTimeout = errors.New("timeout")

// run upgrades the unit. line is the result, "" if there is none; the error is
// errSaid where line says it all.
func (u *upgrade) run(ctx context.Context) (line string, err error) {
	if u.flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, u.flags.timeout, errTimeout)
		defer cancel()
	}
	if u.client, err = u.site.client(u.unit); err != nil {
		return "", err
	}
	changes, stop, err := u.bus.Watch(ctx)
	if err != nil {
		return "", err
	}
	defer stop()
	u.changes = changes

	before, err := u.client.State(ctx)
	if errors.Is(err, status.ErrAbsent) {
		return u.reloadOnly(ctx)
	}
	if err != nil {
		return "", u.late(ctx, err)
	}
	if !u.flags.noPreflight {
		err = u.preflight(ctx)
	}
	var verdict reload.Verdict
	if err == nil {
		verdict, err = u.reload(ctx, before)
	}
	switch {
	case errors.Is(err, status.ErrRefused):
		return err.Error(), errSaid
	case err != nil:
		return "", u.late(ctx, err)
	}
	verdict = u.flags.withWords(ctx, u.unit, verdict, lastLinesFor)
	line = verdict.String() + steps(verdict)
	if verdict.Err != nil {
		for _, said := range u.flags.lastLines(ctx, u.unit, verdict.To.PID) {
			u.tell.remark(fmt.Sprintf("PID %d said: %s", verdict.To.PID, said))
		}
		return line, errSaid
	}
	if u.flags.allDrainingDone {
		if err := u.drained(ctx, verdict); err != nil {
			return line, err
		}
	}
	return line, nil
}

// preflight has the service ask its new binary, before anything is started.
func (u *upgrade) preflight(ctx context.Context) error {
	u.tell.say("preflight")
	err := u.client.Preflight(ctx)
	if errors.Is(err, status.ErrNoPreflight) {
		u.tell.say("no preflight: the build that runs knows none")
		return nil
	}
	return err
}

// reloadOnly is for a service that says nothing of itself.
func (u *upgrade) reloadOnly(ctx context.Context) (line string, err error) {
	now, err := u.systemd.Query(ctx, u.unit)
	switch {
	case err != nil:
		return "", u.late(ctx, err)
	case now.Load == "not-found":
		return "", errors.New("there is no such unit")
	case now.Active != "active":
		return "", fmt.Errorf("it is %s: start it with systemctl start %s", now.Active, u.unit)
	}
	u.tell.say("it shows no status: there is no preflight, and no verdict but systemd's")
	if err := u.systemd.Reload(ctx, u.unit); err != nil {
		return "", u.late(ctx, err)
	}
	if u.flags.allDrainingDone {
		return "reloaded", errors.New("it shows no status, so it is not known whether older generations drain")
	}
	return "reloaded", nil
}

// unbegun is how long after systemd's reload an upgrade may begin: at once where
// Type=notify-reload, for then systemd has waited for its end.
const unbegun = 3 * time.Second

// reload reloads the unit and returns the verdict of the upgrade that follows from
// it, or that was under way.
func (u *upgrade) reload(ctx context.Context, before status.State) (reload.Verdict, error) {
	done := make(chan error, 1)
	go func() { done <- u.systemd.Reload(ctx, u.unit) }()
	var failed error
	for waiting := true; waiting; {
		select {
		case failed = <-done:
			waiting = false
		case _, ok := <-u.changes:
			if !ok {
				u.changes = nil // Reload will say so
			}
			if now, err := u.client.State(ctx); err == nil {
				u.tell.phase(now.Phase)
			}
		}
	}
	if ctx.Err() != nil {
		return reload.Verdict{}, failed
	}
	verdict, err := u.client.Ended(ctx)
	switch {
	case err == nil && follows(verdict, before):
		return verdict, nil
	case failed != nil:
		// The service was never asked, or it is gone. The unit's own ExecReload= may
		// have refused; its reason is in the journal alone.
		if refused := u.client.Preflight(ctx); errors.Is(refused, status.ErrRefused) {
			failed = refused
		}
		return reload.Verdict{}, failed
	case err != nil:
		return reload.Verdict{}, fmt.Errorf("systemd has reloaded it; the verdict is not known: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, unbegun)
	defer cancel()
	if verdict, err = u.client.Wait(short, before.Attempts+1); err != nil && short.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("systemd has reloaded it, but it has begun no upgrade: Type=notify-reload may be missing, see instar verify %s", u.unit)
	}
	return verdict, err
}

// follows says that the upgrade had not ended at the time of before. A service that
// systemd has started anew since counts from 1 again.
func follows(v reload.Verdict, before status.State) bool {
	if v.Attempt == 0 || v.Attempt == before.Verdict.Attempt && v.Began.Equal(before.Verdict.Began) {
		return false
	}
	return true
}

// drained waits until every generation before that of the verdict has exited.
func (u *upgrade) drained(ctx context.Context, v reload.Verdict) error {
	tick := time.NewTicker(500 * time.Millisecond) // no message tells of an exit
	defer tick.Stop()
	for {
		now, err := u.client.State(ctx)
		if err == nil && now.Generation < v.To.Generation {
			return fmt.Errorf("generation %d did not last: generation %d serves", v.To.Generation, now.Generation)
		}
		var processes []units.Process
		if err == nil {
			processes, err = u.systemd.Processes(ctx, u.unit)
		}
		if err != nil {
			return u.late(ctx, fmt.Errorf("cannot tell whether older generations have exited: %w", err))
		}
		lives := slices.ContainsFunc(processes, func(p units.Process) bool { return p.PID == v.From.PID })
		if len(now.Draining) == 0 && !lives {
			return nil
		}
		u.tell.draining(now.Draining)
		select {
		case <-u.changes:
		case <-tick.C:
		case <-ctx.Done():
			return u.late(ctx, fmt.Errorf("not every older generation has exited: %w", ctx.Err()))
		}
	}
}

// late explains an error that is due to ctx.
func (u *upgrade) late(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errTimeout):
		return fmt.Errorf("not done within %v; the upgrade goes on: see instar status %s", u.flags.timeout, u.unit)
	}
	return fmt.Errorf("interrupted; the upgrade goes on: see instar status %s", u.unit)
}
