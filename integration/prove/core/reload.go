package core

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const rounds = 40

func reloadFigures() []figure {
	return []figure{
		{name: "reload_to_first_answer", unit: "ms", target: target{ratio: 1.5}},
		{name: "systemctl_reload", unit: "ms", target: target{ratio: 1.3}},
	}
}

// round is one of everything, in nanoseconds.
type round struct {
	start   float64 // fork and exec to the first answer
	reload  float64 // SIGHUP to the first answer of the successor
	whole   float64 // systemctl reload of the example
	instant float64 // systemctl reload that has nothing to do
}

// measureReload measures everything in every round. Each round begins one
// further, so that nothing always comes after the same.
func measureReload(ctx context.Context, b *bench, into []figure) error {
	if b.site == nil {
		return b.noSite
	}
	s := b.site
	starts, err := openStarts(ctx, s.Dial)
	if err != nil {
		return err
	}
	defer starts.Close()

	for i := range rounds {
		var r round
		steps := []struct {
			result  *float64
			measure func(context.Context) (float64, error)
		}{
			{&r.start, starts.start},
			{&r.reload, s.reloadBySignal},
			{&r.whole, func(ctx context.Context) (float64, error) { return s.systemctlReload(ctx, "web") }},
			{&r.instant, func(ctx context.Context) (float64, error) { return s.systemctlReload(ctx, "instant") }},
		}
		for j := range steps {
			step := steps[(i+j)%len(steps)]
			if *step.result, err = step.measure(ctx); err != nil {
				return err
			}
		}
		into[0].pairs = append(into[0].pairs, pair{r.reload / millisecond, r.start / millisecond})
		into[1].pairs = append(into[1].pairs, pair{r.whole / millisecond, (r.instant + r.start) / millisecond})
	}
	into[0].note = "SIGHUP to the successor's first answer, against fork and exec of the same binary to its first answer, in the same sandbox of systemd " + s.Image().Systemd
	into[0].note += fmt.Sprintf("; on top of a start come the handover, the work of systemd (RELOADING=1, READY=1, MAINPID=) and of the predecessor meanwhile on the same %d processors, and the client's interval of %v", runtime.NumCPU(), betweenAsks)
	into[1].note = "the command as a whole, against systemctl reload of a service that says RELOADING=1 and READY=1 at once, plus fork and exec of the binary to its first answer"
	steps, err := s.steps(ctx)
	if steps != "" {
		into[0].note += "; of it, as the predecessors say (median): " + steps
	}
	return err
}

// betweenAsks is the pause between two requests of a client that waits for a
// successor: by so much, at most, a reload may look longer than it was. Asking
// more often would take the processors that the successor is to start on.
const betweenAsks = time.Millisecond

// reloadBySignal sends SIGHUP to the example and asks until its successor
// answers. It begins to ask after half of the fastest reload so far: requests
// before that tell nothing, and take the processors that the successor is to
// start on.
func (s *site) reloadBySignal(ctx context.Context) (ns float64, err error) {
	pid, err := s.main(ctx, "web")
	if err != nil {
		return 0, err
	}
	before, err := s.serves(ctx)
	if err != nil {
		return 0, err
	}
	began, err := now()
	if err != nil {
		return 0, err
	}
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		return 0, fmt.Errorf("SIGHUP to web.service: %w", err)
	}
	time.Sleep(s.fastest / 2)
	for {
		generation, err := s.serves(ctx)
		if err != nil {
			return 0, err
		}
		if generation > before {
			break
		}
		time.Sleep(betweenAsks)
	}
	ended, err := now()
	if err != nil {
		return 0, err
	}
	took := time.Duration(ended - began)
	if s.fastest == 0 || took < s.fastest {
		s.fastest = took
	}
	_, err = s.main(ctx, "web")
	return float64(took), err
}

// systemctlReload measures the command as a whole.
func (s *site) systemctlReload(ctx context.Context, service string) (ns float64, err error) {
	began := time.Now()
	if err := s.Manager.Reload(ctx, service+".service"); err != nil {
		return 0, err
	}
	ns = float64(time.Since(began).Nanoseconds())
	_, err = s.main(ctx, service)
	return ns, err
}
