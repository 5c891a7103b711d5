package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/stage"
)

// A cell is one fault at one step of one story.
type cell struct {
	story story
	step  inject.Step
	fault inject.Fault // "": none
	// held: in the recording the step comes before the end of the request that the
	// predecessor holds, so that request is not to end before the fault.
	held bool
}

func (c cell) String() string {
	if c.fault == "" {
		return c.story.name
	}
	return fmt.Sprintf("%s: %v: %s", c.story.name, c.step, c.fault)
}

// outcome is the outcome of a cell.
type outcome struct {
	before, after site.Who
	condition     site.Condition
	restarts      int // that systemd has made by itself
	trace         []inject.Event
	fired         *inject.Event
	steps         int // in the trace when the held request was let go
	counts        counts
	verdicts      []site.Verdict // of the story
	heldErr       error          // of the held request
	heldBy        int
	lived         map[int]time.Time // until when the processes were seen, by PID
	slow          float64           // how slow the machine was
	took          time.Duration
	missed        bool  // the step was not reached
	err           error // the service is stuck, or the cell could not be run as it should
}

// within bounds the part of a cell in which the fault has to happen, on a machine that
// is idle, like the other limits here.
const within = 15 * time.Second

// quiet is how long the trace says nothing new when the two processes have done
// all they can while the request is held.
const quiet = 30 * time.Millisecond

// missedAfter is how long nothing new happens when the step of a cell is not
// reached: the process has been killed at another one, as happens to a successor
// that has said its last word.
const missedAfter = 2 * time.Second

// run plays a cell on a lane, and leaves the lane as it was.
func run(ctx context.Context, lane *site.Lane, c cell) (o outcome) {
	begin := time.Now()
	defer func() { o.took = time.Since(begin) }()
	var condition site.Condition
	if o.before, condition, o.err = prepare(ctx, lane, c.story); o.err != nil {
		return o
	}
	if o.err = inject.Place(lane.Orders(), o.order(c)); o.err != nil {
		return o
	}
	if o.err = lane.Deploy(c.story.name); o.err != nil {
		return o
	}
	load, lives := startClients(ctx, lane), lane.WatchLives(ctx)
	o.err = o.play(ctx, lane, c)
	if o.err == nil {
		o.after, o.condition, o.err = lane.Settle(ctx, o.unfit(c))
	}
	o.counts = load.Stop()
	o.lived, o.slow = lives.Stop()
	o.trace, _ = inject.ReadTrace(lane.Orders())
	o.restarts = o.condition.Restarts - condition.Restarts
	if c.story.restart {
		o.restarts = o.condition.Restarts // systemctl restart begins to count anew
	}
	if o.fired != nil && c.fault == inject.FailSends {
		// The next upgrade is to meet a service without a fault.
		_ = stage.Pause(ctx, time.Until(time.UnixMicro(o.fired.At).Add(inject.SendsFailFor+time.Second/10)))
	}
	if err := inject.Withdraw(lane.Orders()); o.err == nil {
		o.err = err
	}
	if o.err != nil {
		return o
	}
	o.verdicts, o.err = again(ctx, lane, o.after)
	return o
}

// order is the order to the service, or nil.
func (o *outcome) order(c cell) *inject.Order {
	if c.fault == "" {
		return nil
	}
	return &inject.Order{Step: c.step, Fault: c.fault, Generation: o.generation(c.story, c.step.Side)}
}

// generation is the number of the process of one side.
func (o *outcome) generation(s story, side inject.Side) int {
	switch {
	case side == inject.Predecessor:
		return o.before.Generation
	case s.restart:
		return 1
	}
	return o.before.Generation + 1
}

// play tells the story, until its fault has happened. From its beginning the
// predecessor holds a request, so that its drain lasts until the story lets it go.
func (o *outcome) play(ctx context.Context, lane *site.Lane, c cell) error {
	held, err := beginHold(lane)
	if err != nil {
		return err
	}
	o.heldBy = o.before.PID
	p := progress{cell: c, outcome: o, returned: make(chan struct{})}
	go func() {
		defer close(p.returned)
		// Whether it succeeds is for the verdict to say; without one it fails
		// where the service was restarted.
		if c.story.restart {
			_ = lane.Restart(ctx)
		} else {
			_ = lane.Reload(ctx)
		}
	}()
	over := make(chan error, 1)
	letGo := sync.OnceFunc(func() {
		o.steps = len(o.trace)
		go func() { over <- held.letGo() }()
	})
	defer func() {
		letGo()
		o.heldErr = <-over
	}()
	for began := time.Now(); time.Since(began) < site.Scaled(within); time.Sleep(5 * time.Millisecond) {
		if err := p.look(lane); err != nil {
			return err
		}
		if p.mayLetGo() {
			letGo()
			p.letGo = true
		}
		if p.over() {
			return nil
		}
	}
	return fmt.Errorf("not over after %v: the step reached %v, systemctl returned %v, held request let go %v", site.Scaled(within), p.fired != nil, p.reloadReturned, p.letGo)
}

// progress is how far a cell has come.
type progress struct {
	cell
	*outcome
	returned chan struct{} // closed when systemctl has
	letGo    bool

	seen           int // steps
	movedAt        time.Time
	firedAt        time.Time
	reloadReturned bool
}

// look reads the trace.
func (p *progress) look(lane *site.Lane) error {
	trace, err := inject.ReadTrace(lane.Orders())
	if err != nil {
		return err
	}
	p.trace = trace
	if n := steps(trace); n != p.seen {
		p.seen, p.movedAt = n, time.Now()
	}
	if i := slices.IndexFunc(trace, func(e inject.Event) bool { return e.Fault != "" }); i >= 0 && p.fired == nil {
		p.fired, p.firedAt = &trace[i], time.Now()
	}
	select {
	case <-p.returned:
		p.reloadReturned = true
	default:
	}
	return nil
}

// quietFor reports whether no process has taken a step for d, which is longer on a slow
// machine.
func (p *progress) quietFor(d time.Duration) bool { return time.Since(p.movedAt) > site.Scaled(d) }

// mayLetGo reports whether the held request may end.
func (p *progress) mayLetGo() bool {
	switch {
	case p.fired != nil:
		// A predecessor that drains has to see the fault's effect on its successor.
		return slices.Contains(p.fired.Victims, p.heldBy) || time.Since(p.firedAt) > site.Scaled(afterwards) && p.quietFor(afterwards)
	case p.held && !p.gone():
		return false
	case p.story.released != nil:
		return p.story.released(p.trace)
	}
	return p.reloadReturned && p.quietFor(quiet)
}

// gone reports whether nothing more will happen.
func (p *progress) gone() bool { return p.reloadReturned && p.quietFor(missedAfter) }

// over reports whether the cell is: with its fault, without one if it has none,
// or without if the step was not reached.
func (p *progress) over() bool {
	switch {
	case !p.letGo:
		return false
	case p.fault == "":
		return p.reloadReturned
	case p.fired != nil:
		return true
	}
	p.missed = p.gone()
	return p.missed
}

// steps counts those in a trace; connections come all the time.
func steps(trace []inject.Event) (n int) {
	for _, e := range trace {
		if e.Step != nil {
			n++
		}
	}
	return n
}

// unfit tells of the processes that cannot stay: systemd hears nothing of them,
// or they are about to die.
func (o *outcome) unfit(c cell) func(pid int) bool {
	var all []int
	switch c.fault {
	case inject.StopPredecessor, inject.StopSuccessor, inject.StopBoth, inject.CloseNotify:
		if o.fired != nil {
			all = o.fired.Victims
		}
	}
	return func(pid int) bool {
		if slices.Contains(all, pid) {
			return true
		}
		return c.story.dies && pid != o.before.PID && o.generationOf(pid) == o.before.Generation+1
	}
}

// generationOf is that of a process that is in the trace, or 0.
func (o *outcome) generationOf(pid int) int {
	for _, e := range o.trace {
		if e.PID == pid {
			return e.Generation
		}
	}
	return 0
}

// prepare brings the build that the story begins with to serve, as a successor.
func prepare(ctx context.Context, lane *site.Lane, s story) (site.Who, site.Condition, error) {
	who, condition, err := lane.Settle(ctx, nobody)
	if err != nil || who.Build == s.before() && who.Generation > 1 {
		return who, condition, err
	}
	if _, _, err := upgrade(ctx, lane, who, s.before()); err != nil {
		return who, condition, err
	}
	return lane.Settle(ctx, nobody)
}

func nobody(int) bool { return false }

// again upgrades to the good build, which must work as ever, and returns the
// verdicts from before that.
func again(ctx context.Context, lane *site.Lane, from site.Who) ([]site.Verdict, error) {
	_, verdicts, err := upgrade(ctx, lane, from, good)
	if err != nil {
		err = fmt.Errorf("the next upgrade: %w", err)
	}
	return verdicts, err
}

func upgrade(ctx context.Context, lane *site.Lane, from site.Who, build string) (site.Who, []site.Verdict, error) {
	if err := lane.Deploy(build); err != nil {
		return site.Who{}, nil, err
	}
	if err := lane.Reload(ctx); err != nil {
		return site.Who{}, nil, err
	}
	who, _, err := lane.Settle(ctx, nobody)
	if err != nil {
		return who, nil, err
	}
	if who.PID == from.PID || who.Build != build || who.Generation != from.Generation+1 {
		return who, nil, fmt.Errorf("to %s led from %+v to %+v", build, from, who)
	}
	before, last, err := lane.VerdictsUpTo(ctx, from.PID, who.PID)
	if err == nil && !last.Succeeded {
		err = fmt.Errorf("its verdict is that it failed: %s", last.Reason)
	}
	return who, before, err
}
