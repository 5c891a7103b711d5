package site

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/integration/stage"

	"golang.org/x/sys/unix"
)

// A full machine is slow, and so is everything that is waited for on it. How slow it is
// shows in a piece of work of a known size: how much longer it takes than it runs.

// Scaled is d, or longer on a machine that is slow at present, by as much as it is.
func Scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * Slowness()) }

// Slowness is how many times longer than on an idle machine work takes, at least 1: as
// an average over the last seconds, and not less than the service's limits have grown by.
func Slowness() float64 {
	measuring()
	return max(1, float64(slowedDown.Load()), math.Float64frombits(slowness.Load()))
}

// mostSlowness bounds how long a proof takes.
const mostSlowness = 5

// SettledSlowness measures, over a few seconds, how slow the machine is with all that was
// begun on it: a factor for SlowDown, at most 5.
func SettledSlowness(ctx context.Context) int {
	measuring()
	_ = stage.Pause(ctx, 6*time.Second)
	return int(min(math.Round(Slowness()), mostSlowness))
}

var (
	slowness   atomic.Uint64 // of the bits of a float
	slowedDown atomic.Int64  // the factor of SlowDown
)

var measuring = sync.OnceFunc(func() {
	const every, burst, remembered = 100 * time.Millisecond, 4 * time.Millisecond, 50
	go func() {
		runtime.LockOSThread()
		var last [remembered]float64
		for i := range last {
			last[i] = 1
		}
		for i := 0; ; i++ {
			last[i%remembered] = stretched(burst)
			sum := 0.0
			for _, s := range last {
				sum += s
			}
			slowness.Store(math.Float64bits(sum / remembered))
			time.Sleep(every)
		}
	}()
})

// stretched runs for burst and returns how many times longer that took.
func stretched(burst time.Duration) float64 {
	began, ran := time.Now(), threadTime()
	for threadTime()-ran < burst {
	}
	return float64(time.Since(began)) / float64(burst)
}

// threadTime is how long this thread has run.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}
