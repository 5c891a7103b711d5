package status

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/reload"
)

// stale is how old a verdict may be that nobody has reported, and still answer a
// signal that was sent just now: a helper that systemd starts right after the
// signal may take seconds to get here on a busy machine.
const stale = 10 * time.Second

// Answer returns the verdict of the upgrade that answers a reload signal. It is for
// a process that systemd starts right after it has sent the signal, as ExecReload=
// of systemd 257 and earlier: the service may have done nothing yet, be in the
// middle of it, or have failed already. pid is the process that was signalled,
// which is $MAINPID.
//
// Which upgrade that is, is not a matter of time: the signal was part of it, pid
// was its predecessor, and no earlier call of Answer has returned it. (systemd
// starts no other reload while the process that calls Answer runs.) Errors are
// those of Wait.
func (c *Client) Answer(ctx context.Context, pid int) (reload.Verdict, error) {
	called := time.Now()
	now, err := c.State(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	v := now.Verdict
	for !answers(v, pid, now, called) {
		// A successor in its probation knows no verdict yet, but its own attempt.
		if v, err = c.Wait(ctx, max(v.Attempt+1, now.Attempts)); err != nil {
			return reload.Verdict{}, err
		}
		if v.Err == nil || v.Signalled {
			break
		}
		// It was under way before the signal, which is still to be acted on.
	}
	err = c.follow(ctx, func() error {
		if err := c.call(ctx, Interface+".MarkReported", uint64(v.Attempt)).Err; err != nil {
			return c.explain("mark reported", err)
		}
		return nil
	})
	if err != nil {
		return reload.Verdict{}, err
	}
	return v, nil
}

// answers reports whether v, the last verdict at the time called, answers a signal
// to the process pid.
func answers(v reload.Verdict, pid int, now State, called time.Time) bool {
	switch {
	case v.Attempt == 0 || v.From.PID != pid:
		return false
	case v.Err == nil:
		// If pid is main again, it has taken back since.
		return now.MainPID != pid
	}
	return v.Signalled && v.Attempt > now.Reported && ended(v).After(called.Add(-stale))
}

func ended(v reload.Verdict) time.Time { return v.Began.Add(v.Took()) }

// Ended returns the verdict of the last upgrade that has begun, when it has ended.
// It is for a process that systemd starts when it has seen the end of a reload, as
// ExecReloadPost=. Attempt is 0 if there was no upgrade. Errors are those of Wait.
func (c *Client) Ended(ctx context.Context) (reload.Verdict, error) {
	now, err := c.State(ctx)
	if err != nil || now.Attempts == now.Verdict.Attempt {
		return now.Verdict, err
	}
	return c.Wait(ctx, now.Attempts)
}

// SystemdVersion asks the manager on the same bus for its version, such as 257.
func (c *Client) SystemdVersion(ctx context.Context) (int, error) {
	const property = "org.freedesktop.systemd1.Manager.Version"
	var text string
	err := c.conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.freedesktop.systemd1.Manager", "Version").Store(&text)
	if err != nil {
		return 0, fmt.Errorf("status: %s: %w", property, err)
	}
	return parseVersion(text)
}

// parseVersion reads "257.13-1~deb13u1", "v258" or "262~rc1".
func parseVersion(text string) (int, error) {
	digits := strings.TrimPrefix(text, "v")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("status: the version of systemd: %q begins with no number", text)
	}
	return n, nil
}
