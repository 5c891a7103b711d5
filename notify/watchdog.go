package notify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// A health function of [Notifier.KeepAlive] wraps ErrTrigger to say that the
// service will not recover: systemd is asked to act at once instead of waiting for
// pings to stay out.
var ErrTrigger = errors.New("the service is beyond recovery")

// WatchdogInterval returns the interval within which systemd expects
// [Watchdog] pings from this process, from WATCHDOG_USEC and WATCHDOG_PID
// (sd_watchdog_enabled(3)). 0 means that it expects none. The variables stay set: a
// child takes no harm from them, as they name this process.
func WatchdogInterval() (time.Duration, error) {
	return parseWatchdog(os.LookupEnv, os.Getpid())
}

// parseWatchdog is [WatchdogInterval] for any environment and process. It returns 0
// if WATCHDOG_USEC is unset or WATCHDOG_PID names another process; a value that is
// malformed, or an interval of 0 or more than 292 years, is an error that quotes it.
func parseWatchdog(lookup func(key string) (string, bool), pid int) (time.Duration, error) {
	usec, ok := lookup("WATCHDOG_USEC")
	if !ok {
		return 0, nil
	}
	// Whose it is comes first: the values of another process are not ours to judge.
	if owner, ok := lookup("WATCHDOG_PID"); ok {
		n, err := strconv.ParseUint(owner, 10, 31)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("notify: malformed WATCHDOG_PID=%q: want the PID of a process", owner)
		}
		if int(n) != pid {
			return 0, nil
		}
	}
	n, err := strconv.ParseUint(usec, 10, 64)
	if err != nil || n == 0 || n > math.MaxInt64/uint64(time.Microsecond) {
		return 0, fmt.Errorf("notify: malformed WATCHDOG_USEC=%q: want a positive number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// KeepAlive sends [Watchdog] pings while health returns nil, until ctx is done.
// interval is that of [WatchdogInterval].
//
// health is called at once and then every half interval, with a context that ends
// after a quarter of it, and a ping follows as soon as it has returned nil: no two
// pings of a healthy service are more than three quarters of the interval apart.
// If health returns an error, or nil after its context has ended, there is no ping,
// and it is called again an eighth of the interval later: a service that recovers
// in time is not killed. health is never called concurrently; if it hangs, the pings
// stay out, as they should. A nil health always passes.
//
// If the error of health matches [ErrTrigger], KeepAlive sends [WatchdogTrigger] and
// returns that error.
//
// A ping that cannot be sent is tried again like a failed health check. KeepAlive
// returns nil once ctx is done, or the error of the last ping if that one failed; it
// returns at once if the Notifier has been closed, if it is nil, or if the interval is
// 0. A draining predecessor must not ping: end its ctx at the takeover.
func (n *Notifier) KeepAlive(ctx context.Context, interval time.Duration, health func(context.Context) error) error {
	if n == nil || interval <= 0 {
		return nil
	}
	if health == nil {
		health = func(context.Context) error { return nil }
	}
	return keepAlive(ctx, interval, health, func(f Field) error { return n.Send(f) })
}

// keepAlive is KeepAlive with the sending left to send.
func keepAlive(ctx context.Context, interval time.Duration, health func(context.Context) error, send func(Field) error) error {
	var unsent error // of the last ping
	for ctx.Err() == nil {
		began := time.Now()
		pause := interval / 2
		unwell := checkHealth(ctx, interval/4, health)
		switch {
		case ctx.Err() != nil:
			return unsent // an error of health's may be that of ctx
		case errors.Is(unwell, ErrTrigger):
			return errors.Join(unwell, send(WatchdogTrigger))
		case unwell != nil:
			pause = interval / 8
		default:
			if unsent = send(Watchdog); errors.Is(unsent, os.ErrClosed) {
				return unsent
			} else if unsent != nil {
				pause = interval / 8
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(began.Add(pause))):
		}
	}
	return unsent
}

// checkHealth calls health, and takes an answer that comes after the limit for a
// failure: by then it is too old to vouch for the service.
func checkHealth(ctx context.Context, limit time.Duration, health func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return errors.Join(health(ctx), ctx.Err())
}
