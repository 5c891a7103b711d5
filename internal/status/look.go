package status

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"

	"golang.org/x/sys/unix"
)

// facts are the findings of a look at the unit.
type facts struct {
	problems []string // settings that do not go together with reload.Config
	restart  []string // settings that have changed, and take a restart
	left     []string // settings that the upgrade to this generation has left behind
}

// leftBehind returns the settings that the upgrade to this generation has left behind. A
// later one that has failed may have hidden its verdict.
func (f facts) leftBehind(now reload.Snapshot) []string {
	if v := now.Verdict; v.Err == nil && v.To.Generation == now.Generation {
		return v.LeftBehind
	}
	return f.left
}

// restartNeeded is the property of that name.
func (f facts) restartNeeded(now reload.Snapshot) []string {
	all := slices.Clone(f.restart)
	for _, line := range f.leftBehind(now) {
		if !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// lookTimeout bounds a look, which runs in the background.
const lookTimeout = 30 * time.Second

// begun is when this process has, nearly (CLOCK_MONOTONIC).
var begun = monotonic()

func monotonic() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0 // nothing is younger, so nothing is concluded from it
	}
	return time.Duration(now.Nano())
}

// lookIfDue looks at the unit when this process has come to serve, and after each
// upgrade from then on. It does so beside the goroutine that talks to the bus.
func (e *exporter) lookIfDue(ctx context.Context, now reload.Snapshot) {
	if now.Phase != servingPhase || e.looked == now.Attempts {
		return
	}
	first := e.looked < 0
	e.looked = now.Attempts
	go func() {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		if err := e.look(ctx, first); err != nil {
			e.log.Debug("nothing is known of the unit's settings", "error", err)
		}
	}()
}

// servingPhase is that of a main process with no upgrade under way.
const servingPhase = "serving"

// look asks systemd for the unit's settings, and reports those that contradict the
// service's, and those that a reload does not change.
func (e *exporter) look(ctx context.Context, first bool) error {
	e.looking.Lock()
	defer e.looking.Unlock()
	conn, err := units.Dial(ctx, e.scope)
	if err != nil {
		return err
	}
	defer conn.Close()
	version, err := conn.Version(ctx)
	if err != nil {
		return err
	}
	x, err := conn.Execution(ctx, e.config.Unit)
	if err != nil {
		return err
	}
	seen := e.object.unit()
	if first {
		pair, err := conn.Pair(ctx, e.config.Unit)
		if err != nil {
			return err
		}
		seen.problems = nil
		for _, f := range problems(pair, e.svc.Config(), version, e.svc.Generation()) {
			seen.problems = append(seen.problems, f.String())
			if f.Rule != watchdogRule { // reload.Open knows that one itself, and has logged it
				e.log.Error("the unit does not fit the service", "error", f)
			}
		}
	}
	now := e.svc.Snapshot()
	seen.left = seen.leftBehind(now)
	seen.restart = e.restartNeeded(startedWith(version, x), x)
	if needed := seen.restartNeeded(now); len(needed) > 0 {
		e.log.Warn("a restart is needed: a reload does not bring this along", "changed", strings.Join(needed, "; "))
	}
	if x.NeedDaemonReload {
		e.log.Warn("the unit's files have changed since systemd has read them: run systemctl daemon-reload")
	}
	e.object.facts.Store(&seen)
	select {
	case e.news.learned <- struct{}{}:
	default:
	}
	return nil
}

// restartNeeded lists the settings that have changed since systemd started the service,
// and that a successor does not get. The first generation that knows the original ones
// notes them for all later ones.
func (e *exporter) restartNeeded(now started, x units.Execution) []string {
	config, generation, own := e.svc.Config(), e.svc.Generation(), e.svc.Command()
	follows := config.Command != nil
	all := []string{}
	before, known := parseStarted(inside.Of(e.svc).StartedWith())
	if known {
		all = before.changed(now, follows)
	}
	if !follows {
		variables := x.Variables()
		if known {
			all = append(all, before.otherVariables(variables, own.Environ)...)
		}
		if generation > 1 {
			all = append(all, unreadFiles(variables)...)
		}
		if config.Directory == "" {
			all = append(all, otherDirectory(x, own)...)
		}
	}
	all = append(all, renewed(x, own.Environ, generation > 1)...)
	since := x.Started
	if generation == 1 {
		since = begun
	}
	// Otherwise systemd may have read other settings meanwhile.
	if !known && x.Loaded <= since {
		if before.Variables != nil { // its predecessor knows better
			now.Variables = before.Variables
		} else {
			now.noteUnread(own.Environ, x)
		}
		if err := inside.Of(e.svc).SetStartedWith(now.String()); err != nil {
			e.log.Debug("later generations will not know what takes a restart", "error", err)
		}
	}
	return all
}

// watchdogRule is that of WatchdogSec= against the probation.
const watchdogRule = "watchdog"

// problems are the settings of a live unit that contradict those of the service:
// errors of [units.Verify], and findings that compare the two.
func problems(pair units.Pair, c reload.Config, systemd, generation int) []units.Finding {
	weighed := []string{"timeout-start", watchdogRule, "notify-access", "notify-access-none"}
	var known []string // to be as it is
	if generation > 1 {
		// The generations change it between themselves while one drains.
		known = append(known, "notify-access", "notify-access-none")
	}
	if c.Executable != "" || c.Command != nil {
		known = append(known, "exec-start-argv0")
	}
	var all []units.Finding
	for _, f := range units.Verify(pair, units.Options{
		ReadyTimeout: c.ReadyTimeout,
		DrainTimeout: c.DrainTimeout,
		Probation:    c.Probation,
		Systemd:      systemd,
	}) {
		if (f.Severity == units.Error || slices.Contains(weighed, f.Rule)) && !slices.Contains(known, f.Rule) {
			all = append(all, f)
		}
	}
	return all
}
