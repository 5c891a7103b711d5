package faults

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// options narrow the matrix and say how many cells run at a time.
type options struct {
	only  *regexp.Regexp // of the text of a cell
	lanes int            // in one machine
	sites int            // machines at a time
	times int            // each cell
	every int            // of the cells, one in so many
	busy  int            // loops beside it all
	logs  bool
}

// Proof is make faults.
func Proof(flags *flag.FlagSet) proof.Run {
	if os.Getenv(busyVariable) != "" {
		beBusy()
	}
	o := options{only: regexp.MustCompile("")}
	flags.Func("only", "run the cells that match this `regexp`, such as 'trial: .*: SIGSTOP'", func(text string) (err error) {
		o.only, err = regexp.Compile(text)
		return err
	})
	flags.IntVar(&o.lanes, "lanes", 7, "instances of the service in each machine")
	flags.IntVar(&o.sites, "machines", 2, "machines at a time")
	flags.IntVar(&o.times, "times", 1, "how often to run each cell")
	flags.IntVar(&o.every, "every", 1, "run one in so many of the cells")
	flags.IntVar(&o.busy, "busy", 0, "busy loops beside it all, for a machine that is full")
	flags.BoolVar(&o.logs, "logs", false, "print the journal of a cell that has failed, to stderr")
	return func(ctx context.Context, b *stage.Builder) error { return faults(ctx, b, o) }
}

// faults runs the matrix on every version and prints the report.
func faults(ctx context.Context, builder *stage.Builder, o options) error {
	versions := machine.Versions()
	if os.Getenv(machine.VersionsVariable) != "" {
		var err error
		if versions, err = machine.Wanted(); err != nil {
			return err
		}
	}
	builds := []site.Build{{Name: good, Stamps: limits()}}
	for _, s := range stories() {
		builds = append(builds, s.builds()...)
	}
	idle := keepBusy(ctx, o.busy)
	defer idle()
	// The limits of the service follow the machine as it is at the beginning.
	slowness.Store(int64(site.SettledSlowness(ctx)))
	proof.Say("work takes %d times as long as on an idle machine, and so do limits", slowness.Load())
	begin := time.Now()
	b := &board{options: o, builds: builds}
	b.report.Busy = o.busy
	b.report.CellsByVersion = map[string]int{}
	var running sync.WaitGroup
	slots := make(chan struct{}, o.sites)
	for _, v := range versions {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			b.version(ctx, v, builder)
		})
	}
	running.Wait()
	b.report.Seconds = time.Since(begin).Round(100 * time.Millisecond).Seconds()
	slices.SortStableFunc(b.results, func(x, y result) int { return cmp.Compare(x.version, y.version) })
	return b.report.conclude(os.Stdout, b.results)
}

// board gathers the results of the cells.
type board struct {
	options
	builds []site.Build

	mu      sync.Mutex
	report  report
	results []result
}

func (b *board) problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Problems.Add(format, args...)
}

// version runs the matrix on one version of systemd.
func (b *board) version(ctx context.Context, v machine.Version, builder *stage.Builder) {
	err := proof.On(ctx, v, builder, func(ctx context.Context, there *stage.Stage) error {
		s, err := site.Install(ctx, there, b.builds...)
		if err == nil {
			b.matrix(ctx, v, s)
		}
		return err
	})
	if proof.NotRun(err) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.report.NotRun.Add("systemd %s: %v", v, err)
	} else if err != nil {
		b.problem("systemd %s: %v", v, err)
	}
}

func (b *board) matrix(ctx context.Context, v machine.Version, s *site.Site) {
	if err := s.SlowDown(ctx, int(slowness.Load())); err != nil {
		b.problem("systemd %s: %v", v, err)
		return
	}
	var lanes []*site.Lane
	for i := range b.lanes {
		lane, err := s.Lane(ctx, 8081+i, good)
		if err != nil {
			b.problem("systemd %s: %v", v, err)
			return
		}
		lanes = append(lanes, lane)
	}
	recordings := b.record(ctx, v, lanes)
	cells, impossible, left := matrix(recordings)
	steps := 0
	byName := map[string]recording{}
	for _, r := range recordings {
		steps += len(r.steps)
		byName[r.story.name] = r
	}
	b.mu.Lock()
	b.report.Faults, b.report.Stories, b.report.Steps = len(inject.Faults()), len(recordings), steps
	b.report.Impossible += impossible
	b.report.LeftOut = left
	for _, u := range untold(recordings) {
		if !slices.Contains(b.report.Untold, u) {
			b.report.Untold = append(b.report.Untold, u)
		}
	}
	b.mu.Unlock()

	var wanted []cell
	for range b.times {
		for i, c := range cells {
			if i%max(1, b.every) == 0 && b.only.MatchString(c.String()) {
				wanted = append(wanted, c)
			}
		}
	}
	proof.Say("systemd %s: %d stories with %d steps make %d cells; %d of them are to be run, on %d instances", v, len(recordings), steps, len(cells), len(wanted), len(lanes))
	queue := make(chan cell)
	var running sync.WaitGroup
	for _, lane := range lanes {
		running.Go(func() {
			for c := range queue {
				b.one(ctx, v, lane, c, byName[c.story.name])
			}
		})
	}
	for i, c := range wanted {
		if i > 0 && i%100 == 0 {
			proof.Say("systemd %s: %d of %d cells", v, i, len(wanted))
		}
		select {
		case queue <- c:
		case <-ctx.Done():
		}
	}
	close(queue)
	running.Wait()
	if ctx.Err() != nil {
		b.problem("interrupted")
	}
}

// record tells every story without a fault, one in each lane at a time, and
// returns those that went as they should.
func (b *board) record(ctx context.Context, v machine.Version, lanes []*site.Lane) []recording {
	all := make([]recording, len(stories()))
	failed := make([]bool, len(all))
	var running sync.WaitGroup
	for i, lane := range lanes {
		running.Go(func() {
			for n := i; n < len(all); n += len(lanes) {
				var o outcome
				var err error
				all[n], o, err = record(ctx, lane, stories()[n])
				if err == nil {
					j := judge(cell{story: stories()[n]}, o, all[n].asTold())
					if !j.well() {
						err = errors.New(strings.Join(j.problems(), "; "))
					}
				}
				if err != nil {
					failed[n] = true
					b.problem("systemd %s: without a fault: %s: %v", v, stories()[n].name, err)
					b.log(ctx, lane)
				}
			}
		})
	}
	running.Wait()
	told := all[:0]
	for n, r := range all {
		if !failed[n] {
			told = append(told, r)
		}
	}
	return told
}

// one runs a cell and counts it.
func (b *board) one(ctx context.Context, v machine.Version, lane *site.Lane, c cell, r recording) {
	const attempts = 3
	o := run(ctx, lane, c)
	for i := 1; o.missed && o.err == nil && i < attempts; i++ {
		o = run(ctx, lane, c)
	}
	if ctx.Err() != nil {
		return
	}
	if o.missed && o.err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.report.Missed = append(b.report.Missed, fmt.Sprintf("systemd %s, %v", v, c))
		return
	}
	one := result{version: string(v), cell: c, judgement: judge(c, o, r.forecasts(c)), requests: o.counts.Requests, http2: o.counts.HTTP2, took: o.took, slow: o.slow}
	if !one.well() {
		proof.Say("systemd %s, %v: %s", v, c, strings.Join(one.problems(), "; "))
		b.log(ctx, lane)
	}
	if o.err != nil {
		if err := lane.Reset(ctx, good); err != nil {
			b.problem("systemd %s: %s: %v", v, lane.Unit(), err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.add(one)
	b.results = append(b.results, one)
}

// log shows the end of a lane's journal, if it is asked for.
func (b *board) log(ctx context.Context, lane *site.Lane) {
	if !b.logs {
		return
	}
	text, err := lane.Journal(ctx)
	if err != nil {
		text = err.Error()
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	proof.Say("%s", strings.Join(lines[max(0, len(lines)-60):], "\n"))
}
