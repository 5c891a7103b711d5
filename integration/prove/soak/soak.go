package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/stage"
)

// Config says how long, and on which versions.
type Config struct {
	Site     *site.Site // with Builds
	Port     int        // of the instance
	Upgrades int
	Seed     uint64
	Say      func(format string, args ...any) // told how it goes
}

// edge is over how many upgrades at either end the memory is compared.
const edge = 100

// Run makes the upgrades. Faults are among the report's Problems; an error kept it
// from going on.
func Run(ctx context.Context, c Config) (r Report, err error) {
	r = Report{Systemd: c.Site.Machine.Image().Systemd, Seed: c.Seed, Bad: map[string]int{}}
	// The limits of the service follow the machine as it is at the beginning.
	if err := c.Site.SlowDown(ctx, site.SettledSlowness(ctx)); err != nil {
		return r, err
	}
	begin := time.Now()
	defer func() { r.Seconds = time.Since(begin).Round(100 * time.Millisecond).Seconds() }()
	lane, err := c.Site.Lane(ctx, c.Port, goods[len(goods)-1].Name)
	if err != nil {
		return r, err
	}
	s := soak{Config: c, lane: lane, report: &r, old: map[int]time.Time{}}
	// The first successor is the measure for the later ones.
	if err := s.upgrade(ctx, step{build: goods[0].Name}); err != nil {
		return r, err
	}
	before, err := s.measure(ctx)
	if err != nil {
		return r, err
	}
	l, err := load.Start(ctx, load.Config{
		Dial:      c.Site.Machine.Dial,
		Web:       []load.Endpoint{{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", c.Port)}},
		Short:     load.Clients{Count: 4, Rate: 150},
		KeepAlive: load.Clients{Count: 6, Rate: 200},
		HTTP2:     load.Clients{Count: 4, Rate: 100},
		Thinking:  4, Think: load.Range{Min: 20 * time.Millisecond, Max: 300 * time.Millisecond},
	})
	if err != nil {
		return r, err
	}
	lives := lane.WatchLives(ctx)
	err = s.upgrades(ctx)
	counts := l.Stop()
	r.Requests, r.Failed = counts.Requests, counts.Failed
	r.HTTP2Requests, r.HTTP2Failed = counts.HTTP2Requests, counts.HTTP2Failed
	for _, f := range counts.Failures {
		r.Problems.Add("%s: %s", f.Client, f.Reason)
	}
	if err != nil {
		return r, err
	}
	if err := s.leaks(ctx, before); err != nil {
		return r, err
	}
	last, slow := lives.Stop()
	r.Outlived = outlived(s.old, s.who.PID, last, slow)
	n := min(edge, c.Upgrades/4)
	r.PID1First, r.PID1Last, r.PID1Growth = growth(s.pid1, n)
	r.ServiceFirst, r.ServiceLast, r.ServiceGrowth = growth(s.service, n)
	r.judge()
	return r, nil
}

// soak is one run.
type soak struct {
	Config
	lane   *site.Lane
	report *Report
	who    site.Who          // serves
	before site.Who          // served before
	old    map[int]time.Time // since when the process of that PID is no longer needed

	pid1, service []int // memory after each upgrade
}

// oldAge is how long a process that is no longer needed may stay, on an idle machine: it
// waits for idle connections for 2 s, stands by for 3 s, and is looked for once a second.
const oldAge = 8 * time.Second

// outlived counts the processes that have stayed for longer.
func outlived(old map[int]time.Time, main int, last map[int]time.Time, slow float64) (n int) {
	for pid, until := range last {
		since, known := old[pid]
		if known && pid != main && until.Sub(since) > time.Duration(slow*float64(oldAge)) {
			n++
		}
	}
	return n
}

// upgrades makes those of the plan.
func (s *soak) upgrades(ctx context.Context) error {
	for i, step := range plan(s.Upgrades, s.Seed) {
		if i > 0 && i%100 == 0 {
			s.Say("%d of %d upgrades", i, s.Upgrades)
		}
		if err := s.fewDraining(ctx); err != nil {
			return err
		}
		if err := s.upgrade(ctx, step); err != nil {
			return fmt.Errorf("upgrade %d of seed %d, to %s: %w", i+1, s.Seed, step.build, err)
		}
		if err := s.remember(); err != nil {
			return err
		}
	}
	return s.verdicts(ctx)
}

// mostDraining is Config.MaxDraining of integration/faulty.
const mostDraining = 2

// fewDraining waits until one more generation may drain: of too many, the service
// cuts the oldest short, with the connections that it has.
func (s *soak) fewDraining(ctx context.Context) error {
	return stage.Until(ctx, "generations have drained", time.Millisecond, func() (bool, error) {
		pids, err := s.lane.Processes()
		return len(pids) <= mostDraining, err
	})
}

// upgrade makes one, and checks which process serves after it.
func (s *soak) upgrade(ctx context.Context, to step) error {
	if s.who == (site.Who{}) {
		var err error
		if s.who, err = s.lane.Ask(ctx); err != nil {
			return err
		}
	}
	if err := s.lane.Deploy(to.build); err != nil {
		return err
	}
	if err := s.lane.Reload(ctx); err != nil {
		return err
	}
	who, err := s.lane.Ask(ctx)
	if err != nil {
		return err
	}
	want := site.Who{PID: who.PID, Generation: s.who.Generation + 1, Build: to.build}
	if to.bad {
		want = s.who
	}
	if who != want || !to.bad && who.PID == s.who.PID {
		return fmt.Errorf("it leads from %+v to %+v", s.who, who)
	}
	if to.bad {
		s.report.Bad[to.build]++
		s.report.Refused++
		s.report.Upgrades++
		return nil
	}
	s.report.Succeeded++
	s.report.Upgrades++
	s.before, s.who = s.who, who
	s.old[s.before.PID] = time.Now()
	return nil
}

// verdicts compares those in the journal with the upgrades. The last upgrade was
// one that succeeded, so its verdict is the last one.
func (s *soak) verdicts(ctx context.Context) error {
	all, last, err := s.lane.VerdictsUpTo(ctx, s.before.PID, s.who.PID)
	if err != nil {
		return err
	}
	succeeded, failed := 0, 0
	for _, v := range append(all, last) {
		if v.Succeeded {
			succeeded++
		} else {
			failed++
		}
	}
	if succeeded != s.report.Succeeded || failed != s.report.Refused {
		s.report.Problems.Add("the journal says that %d upgrades have succeeded and %d failed, when %d and %d have", succeeded, failed, s.report.Succeeded, s.report.Refused)
	}
	return nil
}

// remember takes note of the memory of PID 1 and of the main process.
func (s *soak) remember() error {
	kib, err := anonymous(s.Site.Machine.Leader())
	if err != nil {
		return err
	}
	s.pid1 = append(s.pid1, kib)
	pid, err := s.Site.Machine.HostPID(s.who.PID)
	if err != nil {
		return err
	}
	if kib, err = anonymous(pid); err != nil {
		return err
	}
	s.service = append(s.service, kib)
	return nil
}

// measured are the resources in use when nothing goes on.
type measured struct {
	main, pid1 sample
	processes  int
	zombies    int
	restarts   int
}

func (s *soak) measure(ctx context.Context) (m measured, err error) {
	who, condition, err := s.lane.Settle(ctx, func(int) bool { return false })
	if err != nil {
		return m, err
	}
	m.restarts = condition.Restarts
	pids, err := s.lane.Processes()
	if err != nil {
		return m, err
	}
	m.processes = len(pids)
	main, err := s.Site.Machine.HostPID(who.PID)
	if err != nil {
		return m, err
	}
	if m.main, err = takeSample(main); err != nil {
		return m, err
	}
	if m.pid1, err = takeSample(s.Site.Machine.Leader()); err != nil {
		return m, err
	}
	m.zombies, err = zombies(s.Site)
	return m, err
}

// moreThreads is how many more the runtime may have started: it does so as it
// needs them, and a leak would be one for each upgrade.
const moreThreads = 10

// leaks compares the resources in use with those before. It gives PID 1 some time
// to close its descriptors for the last systemctl.
func (s *soak) leaks(ctx context.Context, before measured) error {
	for deadline := time.Now().Add(5 * time.Second); ; {
		after, err := s.measure(ctx)
		if err != nil {
			return err
		}
		if s.report.compare(before, after); s.report.LeakedDescriptors+s.report.LeakedPID1+s.report.LeakedProcesses+s.report.Zombies == 0 || time.Now().After(deadline) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *Report) compare(before, after measured) {
	r.LeakedDescriptors = max(0, after.main.descriptors-before.main.descriptors)
	r.LeakedPID1 = max(0, after.pid1.descriptors-before.pid1.descriptors)
	r.LeakedThreads = max(0, after.main.threads-before.main.threads-moreThreads)
	r.LeakedProcesses = after.processes - 1
	r.Zombies = after.zombies
	r.Restarts = after.restarts - before.restarts
}
