package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/reload"
)

// ErrStartedAnew: the process that was to upgrade has gone, and systemd has started
// the service anew.
var ErrStartedAnew = errors.New("the main process has gone, and the service was started anew")

// errDidNotLast is in a verdict whose upgrade succeeded and was undone since.
var errDidNotLast = errors.New("it took over, but did not last")

const (
	// before is how long before the start of its helper systemd may have sent the
	// reload signal: the fork follows the kill.
	before = time.Second
	// hesitating is how long after the start of the helper a service may take to act
	// on the signal, where a verdict from before it would do as well.
	hesitating = time.Second
	// again is the pause between two looks meanwhile.
	again = 20 * time.Millisecond
)

// Answer returns the verdict of the upgrade that answers a reload signal. It is for
// a process that systemd starts right after it has sent the signal, as ExecReload=
// of systemd 257 and earlier: the service may have done nothing yet, be in the
// middle of it, or have failed already. pid is the process that was signalled,
// which is $MAINPID; started is when systemd started the caller.
//
// An upgrade under way is the answer. One that ended before started hardly ever is:
// only if it ended within a second before it, no earlier call of Answer has returned
// it, and no other upgrade begins. (systemd starts no other reload while the process
// that calls Answer runs.)
//
// The verdict of an upgrade that succeeded and was taken back since is a failure.
// Errors are those of Wait, and [ErrStartedAnew].
func (c *Client) Answer(ctx context.Context, pid int, started time.Time) (reload.Verdict, error) {
	now, err := c.State(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	fit := answers(now, pid, started)
	for deadline := time.Now().Add(hesitating); fit == perhaps && time.Now().Before(deadline); fit = answers(now, pid, started) {
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return reload.Verdict{}, ctx.Err()
		}
		if now, err = c.State(ctx); err != nil {
			return reload.Verdict{}, err
		}
	}
	v := now.Verdict
	switch fit {
	case never:
		return reload.Verdict{}, fmt.Errorf("status: %s: PID %d: %w", c.name, pid, ErrStartedAnew)
	case notYet:
		for wanted := max(v.Attempt+1, now.Attempts); ; wanted = v.Attempt + 1 {
			if v, err = c.Wait(ctx, wanted); err != nil {
				return reload.Verdict{}, err
			}
			if v.Err == nil || v.Signalled {
				break
			}
			// It was under way before the signal, which is still to be acted on.
		}
		// Without a status of the successor's, the verdict stands as it was given.
		now, _ = c.State(ctx)
	}
	err = c.within(ctx, func(ctx context.Context) error {
		if err := c.call(ctx, Interface+".MarkReported", uint64(v.Attempt)).Err; err != nil {
			return c.explain("mark reported", err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrAbsent) {
		return reload.Verdict{}, err
	}
	return now.judge(v), nil
}

// fit is how a verdict answers a signal.
type fit int

const (
	never   fit = iota // nor does any other
	notYet             // another one will
	perhaps            // unless another upgrade begins
	surely
)

// answers weighs the last verdict of a service as the answer to a signal to the
// process pid, sent about when the helper was started.
func answers(now State, pid int, started time.Time) fit {
	v := now.Verdict
	late := v.Ended().Before(started)
	switch {
	case now.Attempts > v.Attempt:
		return notYet // one is under way
	case now.MainPID != 0 && now.MainPID != pid && now.Attempts == 0:
		return never
	case v.Attempt == 0:
		return notYet
	case v.From.PID != pid:
		// pid owes an upgrade, or has passed the signal on to its successor.
		if now.MainPID == pid || late && v.Err != nil {
			return notYet
		}
	case v.Err == nil && now.MainPID != pid:
		// pid has handed over.
	case v.Err != nil && !v.Signalled, v.Attempt <= now.Reported, v.Ended().Before(started.Add(-before)):
		return notYet
	}
	if late {
		return perhaps
	}
	return surely
}

// judge makes a failure of a success that was undone since: an older generation
// serves.
func (s State) judge(v reload.Verdict) reload.Verdict {
	if v.Attempt != 0 && v.Err == nil && s.MainPID != 0 && s.Generation < v.To.Generation {
		v.Err = fmt.Errorf("%w: generation %d serves", errDidNotLast, s.Generation)
	}
	return v
}

// Ended returns the verdict of the last upgrade that has begun, when it has ended.
// It is for a process that systemd starts when it has seen the end of a reload, as
// ExecReloadPost=. Attempt is 0 if there was no upgrade. One that succeeded and was
// taken back since is a failure. Errors are those of Wait.
func (c *Client) Ended(ctx context.Context) (reload.Verdict, error) {
	now, err := c.State(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	v := now.Verdict
	if now.Attempts > v.Attempt {
		if v, err = c.Wait(ctx, now.Attempts); err != nil {
			return reload.Verdict{}, err
		}
		now, _ = c.State(ctx) // as in Answer
	}
	return now.judge(v), nil
}
