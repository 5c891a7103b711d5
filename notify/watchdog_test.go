package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/instar-project/instar/notify/notifytest"
)

// environment returns a lookup over pairs of key and value.
func environment(pairs ...string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		for pair := range slices.Chunk(pairs, 2) {
			if pair[0] == key {
				return pair[1], true
			}
		}
		return "", false
	}
}

func TestParseWatchdog(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want time.Duration
	}{
		{nil, 0},
		{[]string{"WATCHDOG_PID", "42"}, 0},
		{[]string{"WATCHDOG_USEC", "30000000"}, 30 * time.Second},
		{[]string{"WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "42"}, 30 * time.Second},
		{[]string{"WATCHDOG_USEC", "30000000", "WATCHDOG_PID", "43"}, 0},
		{[]string{"WATCHDOG_USEC", "not ours", "WATCHDOG_PID", "43"}, 0},
		{[]string{"WATCHDOG_USEC", "9223372036854775"}, 9223372036854775 * time.Microsecond},
	} {
		got, err := parseWatchdog(environment(test.env...), 42)
		if err != nil || got != test.want {
			t.Errorf("%q: %v, %v; want %v", test.env, got, err, test.want)
		}
	}
}

func TestParseWatchdogMalformed(t *testing.T) {
	for _, env := range [][]string{
		{"WATCHDOG_USEC", ""},
		{"WATCHDOG_USEC", "0"},
		{"WATCHDOG_USEC", "-1"},
		{"WATCHDOG_USEC", "+1"},
		{"WATCHDOG_USEC", "30s"},
		{"WATCHDOG_USEC", " 30"},
		{"WATCHDOG_USEC", "9223372036854776"},
		{"WATCHDOG_USEC", "18446744073709551615"},
		{"WATCHDOG_PID", "", "WATCHDOG_USEC", "1"},
		{"WATCHDOG_PID", "0", "WATCHDOG_USEC", "1"},
		{"WATCHDOG_PID", "-42", "WATCHDOG_USEC", "1"},
		{"WATCHDOG_PID", "4294967338", "WATCHDOG_USEC", "1"}, // 42 in 32 bits
	} {
		got, err := parseWatchdog(environment(env...), 42)
		quoted := fmt.Sprintf("%s=%q", env[0], env[1])
		if got != 0 || err == nil || !strings.Contains(err.Error(), quoted) {
			t.Errorf("%q: %v, %v; want an error that quotes %s", env, got, err, quoted)
		}
	}
}

func TestWatchdogInterval(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "1500000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	for range 2 {
		if got, err := WatchdogInterval(); got != 1500*time.Millisecond || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func FuzzParseWatchdog(f *testing.F) {
	f.Add("30000000", "42", 42)
	f.Add("0", "", 1)
	f.Add("9223372036854775807", "43", 42)
	f.Fuzz(func(t *testing.T, usec, owner string, pid int) {
		got, err := parseWatchdog(environment("WATCHDOG_USEC", usec, "WATCHDOG_PID", owner), pid)
		if err != nil && got != 0 || got < 0 {
			t.Errorf("%v, %v", got, err)
		}
		if got > 0 && strings.TrimLeft(owner, "0") != fmt.Sprint(pid) {
			t.Errorf("WATCHDOG_PID=%q is not %d, and the interval %v", owner, pid, got)
		}
	})
}

const interval = 8 * time.Second // a half, a quarter and an eighth are whole

// pinger runs keepAlive on synthetic time and notes its pings, and when. The send
// function may fail.
type pinger struct {
	began time.Time
	sent  []string // "WATCHDOG=1 at 4s"
	send  func() error
}

func (p *pinger) run(ctx context.Context, health func(context.Context) error) error {
	p.began = time.Now()
	return keepAlive(ctx, interval, health, func(f Field) error {
		if p.send != nil {
			if err := p.send(); err != nil {
				return err
			}
		}
		text, _, err := encode(nil, []Field{f})
		p.sent = append(p.sent, fmt.Sprintf("%s at %v", text, time.Since(p.began)))
		return err
	})
}

func (p *pinger) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(p.sent, want) {
		t.Errorf("sent %q; want %q", p.sent, want)
	}
}

func TestKeepAliveHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*interval-1)
		defer cancel()
		var p pinger
		if err := p.run(ctx, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
		p.check(t, "WATCHDOG=1 at 0s", "WATCHDOG=1 at 4s", "WATCHDOG=1 at 8s", "WATCHDOG=1 at 12s")
	})
}

// Checks that take their time do not add up: the rhythm is kept.
func TestKeepAliveSlowHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), interval+2*time.Second)
		defer cancel()
		var p pinger
		p.run(ctx, func(context.Context) error { time.Sleep(time.Second); return nil })
		p.check(t, "WATCHDOG=1 at 1s", "WATCHDOG=1 at 5s", "WATCHDOG=1 at 9s")
	})
}

// A service that is unwell for a moment is asked again in time.
func TestKeepAliveRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), interval+3*time.Second)
		defer cancel()
		var p pinger
		p.run(ctx, func(context.Context) error {
			if now := time.Since(p.began); now > 0 && now < 6*time.Second {
				return errors.New("database away")
			}
			return nil
		})
		p.check(t, "WATCHDOG=1 at 0s", "WATCHDOG=1 at 6s", "WATCHDOG=1 at 10s")
	})
}

// A health function that hangs until its context ends has not vouched for anything.
func TestKeepAliveHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*interval)
		defer cancel()
		var p pinger
		err := p.run(ctx, func(ctx context.Context) error { <-ctx.Done(); return nil })
		if err != nil {
			t.Error(err)
		}
		p.check(t)
	})
}

func TestKeepAliveTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pinger
		err := p.run(t.Context(), func(context.Context) error {
			if time.Since(p.began) > 0 {
				return fmt.Errorf("index corrupt: %w", ErrTrigger)
			}
			return nil
		})
		if !errors.Is(err, ErrTrigger) || !strings.Contains(err.Error(), "index corrupt") {
			t.Errorf("error %v", err)
		}
		p.check(t, "WATCHDOG=1 at 0s", "WATCHDOG=trigger at 4s")
	})
}

// A failed ping is tried again, and its error is only reported if it was the last.
func TestKeepAliveCannotSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		broken := errors.New("queue full")
		var p pinger
		p.send = func() error {
			if now := time.Since(p.began); now < 2*time.Second || now > 4*time.Second {
				return broken
			}
			return nil
		}
		healthy := func(context.Context) error { return nil }
		if err := p.run(ctx, healthy); err != nil {
			t.Error(err)
		}
		p.check(t, "WATCHDOG=1 at 2s")

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.run(ctx, healthy); !errors.Is(err, broken) {
			t.Errorf("error %v; want %v", err, broken)
		}
	})
}

func TestKeepAliveForReal(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.KeepAlive(ctx, time.Millisecond, nil) }()
	for range 3 {
		m.Wait(notifytest.Has("WATCHDOG=1"))
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	n.Close()
	if err := n.KeepAlive(t.Context(), time.Millisecond, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("on a closed Notifier: %v; want os.ErrClosed", err)
	}
	if err := n.KeepAlive(t.Context(), 0, nil); err != nil {
		t.Errorf("with the watchdog off: %v", err)
	}
}
