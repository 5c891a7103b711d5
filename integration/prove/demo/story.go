package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/stage"
)

// A plan says how long the story is.
type plan struct {
	upgrades int // that succeed, of each service
	requests int // at least; after the upgrades the load goes on until there are as many
	crash    int // the upgrade of web, counted from 1, before which a crashing build is tried
	pause    time.Duration
	load     load.Config // Dial is the site's
}

// patience is how long the story waits for something that should take no time.
const patience = 30 * time.Second

// A story is the sequence of upgrades under load.
type story struct {
	site  site
	board *board
	plan  plan
	load  *load.Load

	// By service, as last shown.
	main     map[string]int // PID of the main process
	restarts map[string]int
}

// An outcome is the data for the report.
type outcome struct {
	systemd   string // its full version
	upgrades  []upgrade
	counts    load.Counts
	restarts  int
	underLoad time.Duration
}

// tell tells the story. Both services are installed, with a first build, and
// their sockets are open; the first connection starts them. The outcome is
// valid even with an error, as far as it came.
func (s *story) tell(ctx context.Context, first build, later [2]build) (o outcome, err error) {
	s.board.change(func(at *state) {
		at.Systemd = "systemd " + s.site.Systemd()
		at.Steps, at.Wanted = 2*s.plan.upgrades+1, s.plan.requests
		at.Services = []service{{Name: web, Build: first}, {Name: echo, Build: first}}
	})

	s.main, s.restarts = map[string]int{}, map[string]int{}
	s.board.say("putting load on both services")
	config := s.plan.load
	config.Dial = s.site.Dial
	if s.load, err = load.Start(ctx, config); err != nil {
		return o, err
	}
	begin := time.Now()
	watched := make(chan struct{})
	watching, stopWatching := context.WithCancel(ctx)
	go func() {
		defer close(watched)
		s.watch(watching)
	}()
	defer func() {
		stopWatching()
		<-watched
		o.systemd = s.site.Systemd()
		o.counts = s.load.Stop()
		o.underLoad = time.Since(begin)
		o.restarts = s.restarts[web] + s.restarts[echo]
		o.upgrades = s.board.look().Upgrades
		s.board.change(func(at *state) { at.Counts = o.counts })
	}()

	for _, name := range []string{web, echo} {
		begun := func(c load.Counts) bool { return latest(c, name).Number > 0 }
		if err := s.until(ctx, name+" answers", begun); err != nil {
			return o, err
		}
	}
	if err := s.upgradeAll(ctx, first, later); err != nil {
		return o, err
	}
	s.board.say("all upgrades done; going on until %s requests are made", thousands(s.plan.requests))
	// No time limit: how fast requests are made is the machine's business. A
	// service that is down makes them, too: failed ones.
	for s.load.Snapshot().Requests < s.plan.requests {
		if err := stage.Pause(ctx, 50*time.Millisecond); err != nil {
			return o, err
		}
	}
	for _, name := range []string{web, echo} {
		if _, err := s.steady(ctx, name); err != nil {
			return o, err
		}
	}
	s.board.say("all done; letting the last requests finish")
	return o, nil
}

// upgradeAll upgrades both services in turn, between two builds.
func (s *story) upgradeAll(ctx context.Context, first build, later [2]build) error {
	from := first
	for n := 1; n <= s.plan.upgrades; n++ {
		to := later[(n-1)%2]
		if n == s.plan.crash {
			if err := s.upgrade(ctx, web, from, crashing); err != nil {
				return err
			}
		}
		for _, name := range []string{web, echo} {
			if err := s.upgrade(ctx, name, from, to); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// upgrade replaces the binary of a service, reloads it and looks at the result. An
// upgrade that is rolled back is no error of the story.
func (s *story) upgrade(ctx context.Context, name string, from, to build) error {
	if err := stage.Pause(ctx, s.plan.pause); err != nil {
		return err
	}
	// An upgrade while an older generation drains is allowed, but then the
	// screen could not show which upgrade is whose.
	s.board.mention("%s: waiting for the predecessor to finish its connections", name)
	if err := s.drained(ctx, name); err != nil {
		return err
	}
	before, err := s.steady(ctx, name)
	if err != nil {
		return err
	}
	serving := latest(s.load.Snapshot(), name).Number
	if err := s.site.Install(ctx, name, to); err != nil {
		return err
	}

	s.board.change(func(at *state) { at.service(name).Upgrading = true })
	s.board.mention("systemctl reload %s: build %s", name, to)
	begin := time.Now()
	failure := s.site.Reload(ctx, name)
	u := upgrade{Service: name, From: from, To: to, Reload: time.Since(begin)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	after, err := s.show(ctx, name)
	if err != nil {
		return err
	}
	if after.MainPID == before.MainPID {
		err = s.rolledBack(ctx, &u, serving, after.Status)
	} else if err = failure; err == nil {
		err = s.takenOver(ctx, &u, serving, begin)
	}
	if err != nil {
		return err
	}
	s.board.change(func(at *state) { at.Counts = s.load.Snapshot() })
	s.board.upgraded(u)
	return nil
}

// takenOver waits for the first answer of a generation after the one that was
// serving before the reload, which began at begin.
func (s *story) takenOver(ctx context.Context, u *upgrade, serving int, begin time.Time) error {
	next := func(c load.Counts) bool { return latest(c, u.Service).Number > serving }
	if err := s.until(ctx, u.Service+": the successor answers", next); err != nil {
		return err
	}
	answered := latest(s.load.Snapshot(), u.Service)
	u.Generation, u.Takeover = answered.Number, answered.First.Sub(begin)
	if answered.Build != "" && answered.Build != string(u.To) {
		return fmt.Errorf("%s: after the upgrade to build %s generation %d answers as build %s",
			u.Service, u.To, answered.Number, answered.Build)
	}
	return nil
}

// rolledBack makes sure that the generation from before the reload serves on:
// that it answers more, and that no later one has answered.
func (s *story) rolledBack(ctx context.Context, u *upgrade, serving int, why string) error {
	u.RolledBack, u.Generation, u.Why = true, serving, why
	answers := latest(s.load.Snapshot(), u.Service).Answers
	more := func(c load.Counts) bool { return latest(c, u.Service).Answers > answers+100 }
	if err := s.until(ctx, u.Service+" serves on after a failed upgrade", more); err != nil {
		return err
	}
	if now := latest(s.load.Snapshot(), u.Service).Number; now != serving {
		return fmt.Errorf("%s: the main process is the same after the upgrade, but generation %d answers instead of %d",
			u.Service, now, serving)
	}
	return nil
}

// show asks how a service stands.
func (s *story) show(ctx context.Context, name string) (unitState, error) {
	unit, err := s.site.Show(ctx, name)
	if err == nil {
		s.main[name], s.restarts[name] = unit.MainPID, unit.Restarts
	}
	return unit, err
}

// steady is show at a moment when nothing may have changed since the last time. If
// the main process is another one, it has died: then a predecessor has taken back,
// or systemd has started the service anew, and the numbers of generations do not
// mean the same to the story any more.
func (s *story) steady(ctx context.Context, name string) (unitState, error) {
	last := s.main[name]
	unit, err := s.show(ctx, name)
	if err == nil && last != 0 && unit.MainPID != last {
		err = fmt.Errorf("%s: main process %d has died, %d is main now; STATUS= says %q",
			name, last, unit.MainPID, unit.Status)
	}
	return unit, err
}

// drained waits until the main process is the only one of a service.
func (s *story) drained(ctx context.Context, name string) error {
	return waitFor(ctx, name+": the predecessor exits", func() (bool, error) {
		n, err := s.site.Processes(name)
		return n == 1, err
	})
}

// until waits until the clients have counted enough.
func (s *story) until(ctx context.Context, what string, wanted func(load.Counts) bool) error {
	err := waitFor(ctx, what, func() (bool, error) { return wanted(s.load.Snapshot()), nil })
	if f := s.load.Snapshot().Failures; err != nil && len(f) > 0 {
		return fmt.Errorf("%w; the first failure was: %s: %s", err, f[0].Client, f[0].Reason)
	}
	return err
}

// waitFor waits patiently until something is so.
func waitFor(ctx context.Context, what string, so func() (bool, error)) error {
	late := fmt.Errorf("it takes more than %v", patience)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, late)
	defer cancel()
	return stage.Until(ctx, what, 5*time.Millisecond, so)
}

// watch keeps the board's numbers fresh.
func (s *story) watch(ctx context.Context) {
	const every, over = 200 * time.Millisecond, 5 // means over a second don't flicker
	type sample struct {
		at     time.Time
		counts load.Counts
	}
	var samples []sample
	for stage.Pause(ctx, every) == nil {
		now := sample{time.Now(), s.load.Snapshot()}
		if samples = append(samples, now); len(samples) > over+1 {
			samples = samples[1:]
		}
		then := samples[0]
		processes := map[string]int{}
		for _, name := range []string{web, echo} {
			processes[name], _ = s.site.Processes(name) // only shown; the story itself looks again
		}
		s.board.change(func(at *state) {
			at.Counts = now.counts
			for i := range at.Services {
				one := &at.Services[i]
				one.Processes = processes[one.Name]
				one.Generation = latest(now.counts, one.Name).Number
				if now.at.After(then.at) {
					one.Rates = rates(generations(then.counts, one.Name), generations(now.counts, one.Name), now.at.Sub(then.at))
				}
			}
		})
	}
}

// errInterrupted is the end of a story that was stopped at the keyboard.
var errInterrupted = errors.New("interrupted")
