package load

import (
	"context"
	"math/rand/v2"
	"time"
)

// A pace spaces the steps of one client. It belongs to that client's goroutine.
type pace struct {
	interval time.Duration // between two steps; zero: no waiting at all
	due      time.Time     // of the next step
}

// newPace returns the pace of one of the clients that together take rate steps
// a second. The first step is due at a random moment within the first interval,
// so that the clients do not march in step.
func newPace(c Clients, now time.Time) *pace {
	interval := time.Duration(float64(time.Second) * float64(c.Count) / c.Rate)
	return &pace{interval: interval, due: now.Add(pick(Range{0, interval}))}
}

// step returns how long to wait, at now, for the step that comes next. A client
// that is late goes at once, and the time it lost is not made up for: a burst after
// a pause would be extra load, at the very moment when the service is busiest.
func (p *pace) step(now time.Time) time.Duration {
	wait := p.due.Sub(now)
	if wait < 0 {
		wait = 0
		// Up to one interval is the jitter of timers, which would otherwise
		// lower the rate.
		p.due = maxTime(p.due, now.Add(-p.interval))
	}
	p.due = p.due.Add(p.interval)
	return wait
}

// wait waits for the next step. It reports whether there is one: false once ctx
// has ended.
func (p *pace) wait(ctx context.Context) bool { return sleep(ctx, p.step(time.Now())) }

// sleep waits for d, or until ctx has ended. It reports whether ctx lives.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// pick returns a time between r.Min and r.Max.
func pick(r Range) time.Duration { return r.Min + rand.N(r.Max-r.Min+1) }

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
