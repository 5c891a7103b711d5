package site

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Lives is until when the processes of a lane were seen.
type Lives struct {
	stop context.CancelFunc
	over sync.WaitGroup
	last map[int]time.Time
	slow float64
}

// WatchLives begins to look at the processes of the lane, until Stop.
func (l *Lane) WatchLives(ctx context.Context) *Lives {
	const every = 50 * time.Millisecond
	ctx, stop := context.WithCancel(ctx)
	lives := &Lives{stop: stop, last: map[int]time.Time{}}
	lives.over.Go(func() {
		inside := map[int]int{}
		for {
			lives.look(l, inside)
			select {
			case <-ctx.Done():
				return
			case <-time.After(every):
			}
		}
	})
	return lives
}

func (l *Lives) look(lane *Lane, inside map[int]int) {
	l.slow = max(l.slow, Slowness())
	now := time.Now()
	pids, err := lane.Processes()
	if err != nil {
		return // the service has just ended
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

// Stop returns when each process was seen last, by its PID in the machine, and how slow
// the machine was at the worst.
func (l *Lives) Stop() (last map[int]time.Time, slow float64) {
	l.stop()
	l.over.Wait()
	return l.last, l.slow
}

// insidePID is the PID in the machine of a process of this host, or 0.
func insidePID(pid int) (inside int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			if fields := strings.Fields(pids); len(fields) > 0 {
				_, _ = fmt.Sscan(fields[len(fields)-1], &inside)
			}
		}
	}
	return inside
}
