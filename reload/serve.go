package reload

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"

	"golang.org/x/sys/unix"
)

// reloadSignal is what systemd sends to the main process for a reload; see
// ReloadSignal= in systemd.service(5).
const reloadSignal = syscall.SIGHUP

// shell is what runs the state machine: where it stands, and what goes on
// around it. Only the goroutine of Serve touches it, but for events and done.
type shell struct {
	state     generation.State
	events    chan posted
	done      chan struct{} // closed when nobody takes events any more
	asked     chan int      // an upgrade is wanted: the reload signal by another way
	verdicts  verdicts
	followUps []generation.Event

	servers    []*serving
	reserve    reserve
	starting   *starting  // the start of a successor that is under way; nil: none
	starts     int        // how many there were in this attempt
	successor  *successor // the last one started
	attempt    int        // how many upgrades this line of main processes has tried
	upgrade    upgrade    // the last one
	drain      *drain     // the drain under way
	watchdog   context.CancelFunc
	settled    bool // systemd knows this process, a successor, as its child, or is about to
	standIns   chan naming
	spare      spare
	settling   atomic.Pointer[error] // why systemd may not know it as its child; nil: no reason
	outcomes   chan started          // of a start
	pulse      chan struct{}         // taken by the loop, as a sign of life
	unname     context.CancelFunc    // ends the wait for MAINPID=successor to be sent
	named      time.Time             // when systemd had read that
	hangup     time.Duration         // when the reload signal came last, on CLOCK_MONOTONIC
	result     error
	handedOver atomic.Bool // the successor is main, and this process drains or has ended
	signalled  bool        // the reload signal has come since the last verdict
	tookBack   bool        // systemd was told that this process is main again
	shown      shown
}

// posted is an event with what it comes from: a successor, a drain, the message of a
// takeover; nil: none of these.
type posted struct {
	generation.Event
	from any
}

// drain is one period of draining.
type drain struct {
	cancel  context.CancelFunc
	sockets map[string]bool // that the application had open when it began
}

func (sh *shell) init() {
	sh.events = make(chan posted)
	sh.done = make(chan struct{})
	sh.asked = make(chan int, 1)
	sh.standIns = make(chan naming)
	sh.outcomes = make(chan started)
	sh.pulse = make(chan struct{})
}

// post hands an event to the goroutine of Serve. It reports false if that has ended.
func (sh *shell) post(from any, e generation.Event) bool {
	select {
	case sh.events <- posted{e, from}:
		return true
	case <-sh.done:
		return false
	}
}

// stale reports whether an event comes from a successor or a drain that is not
// the present one.
func (sh *shell) stale(p posted) bool {
	switch from := p.from.(type) {
	case *successor:
		return from != sh.successor
	case *drain:
		return from != sh.drain
	}
	return false
}

// Serve tells systemd, or the predecessor, that this process is ready, and
// serves until it has nothing left to do. Each of servers, which may be none
// where the application accepts by itself, runs in a goroutine of its own; what
// they accept waits until this generation is the one that serves.
//
// Serve returns nil when this generation has handed over and drained, or was
// told to stop, by SIGTERM, SIGINT or the end of ctx, and has drained: the program is
// to end then. It returns an error when a server fails, hangs when it is closed, or cannot
// serve again after a take back, when the predecessor goes before it has handed over, or
// when Serve or Close was called before.
// In any case all sockets are closed when it returns.
func (s *Service) Serve(ctx context.Context, servers ...Server) error {
	if !s.served.CompareAndSwap(false, true) {
		return ErrServed
	}
	return s.run(ctx, servers)
}

func (s *Service) run(ctx context.Context, servers []Server) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, s.stopSignals()...)
	defer signal.Stop(stop)

	_, quota := s.keeping.used()
	unit := s.launcher.unit
	for _, err := range s.config.contradictions(unit, s.keeping.keeps(), quota, checkCgroup(unit.invocation)) {
		s.log.Error("the unit does not fit the service", "error", err)
	}
	s.reserve.fill()
	defer s.reserve.empty()
	if !s.byHand {
		go s.keepReloadSignal()
	}
	if err := s.sockets.CheckUnclaimed(); err != nil {
		s.log.Warn("unclaimed sockets", "error", err)
	}
	if s.predecessor != nil {
		go s.follow(s.predecessor)
		go s.endOverdue()
		// systemd could not have sent it to this process.
		select {
		case <-s.reloads:
		default:
		}
	}
	for i, server := range servers {
		serving := newServing(s.log, i, server)
		s.servers = append(s.servers, serving)
		go func() {
			if err := serving.serve(); err != nil {
				s.post(nil, generation.Event{Kind: generation.GaveUp, Err: err})
			}
		}()
	}
	s.step(generation.Event{Kind: generation.Initialised})
	s.loop(ctx, stop)
	close(s.done)
	if s.handedOver.Load() {
		s.tellMains(0, time.Now(), true)
	}
	if s.starting != nil {
		s.starting.cancel()
	}
	if s.drain != nil {
		s.drain.cancel()
	}
	err := errors.Join(s.result, s.shut())
	s.spare.end()
	s.awaitPoised()
	if err != nil && s.tookBack {
		// systemd does not notice the end of a main process that it has not followed to.
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		defer cancel()
		if err := s.notifier.Barrier(ctx); err != nil {
			s.log.Warn("systemd may not notice the end of this process", "error", err)
		}
	}
	return errors.Join(err, s.release())
}

// loop feeds the state machine until it has ended. The wish to stop goes
// before everything else: no upgrade goes on after it.
func (s *Service) loop(ctx context.Context, stop <-chan os.Signal) {
	stopped := ctx.Done()
	interrupted := false
	asked := func(by os.Signal) {
		stopped = nil
		if by == reloadSignal {
			s.log.Warn("SIGHUP stops this service: an upgrade needs systemd to follow it (Type=notify-reload), and this process was started by hand")
		}
		if interrupted && by == os.Interrupt {
			// Whoever presses Ctrl-C twice does not want to wait.
			s.step(generation.Event{Kind: generation.DrainTimedOut})
			return
		}
		interrupted = interrupted || by == os.Interrupt
		s.step(generation.Event{Kind: generation.StopAsked})
	}
	for s.state.Phase != generation.Ended {
		select {
		case by := <-stop:
			asked(by)
			continue
		case <-stopped:
			asked(nil)
			continue
		case <-s.reloads:
			// Before this process may end, it has to pass it on.
			s.reloadSignalled()
			continue
		default:
		}
		select {
		case by := <-stop:
			asked(by)
		case <-stopped:
			asked(nil)
		case <-s.reloads:
			s.reloadSignalled()
		case <-s.pulse:
		case given := <-s.asked:
			// Whoever asked may have had an answer meanwhile.
			if given == s.verdicts.count() {
				s.step(generation.Event{Kind: generation.ReloadAsked})
			}
		case p := <-s.standIns:
			s.standInIsThere(p)
		case r := <-s.outcomes:
			s.startEnded(r)
		case p := <-s.events:
			if !s.stale(p) {
				s.step(s.dated(p))
			}
		}
	}
}

// signalLag is how much later than it was sent a signal may come out of package
// os/signal.
const signalLag = time.Second

func (s *Service) reloadSignalled() {
	s.hangup = sinceBoot()
	if !s.state.Phase.PassesOn() {
		s.signalled = true
	}
	s.step(generation.Event{Kind: generation.ReloadAsked, Foreign: time.Since(s.named) > signalLag})
}

// dated is the event with what depends on when the reload signal came.
func (s *Service) dated(p posted) generation.Event {
	e := p.Event
	if began, ok := p.from.(handover.Takeover); ok && s.hangup != 0 {
		e.Foreign = s.hangup < time.Duration(began.MonotonicUSec)*time.Microsecond
	}
	return e
}

// sinceBoot reads CLOCK_MONOTONIC, which all generations share.
func sinceBoot() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano())
}

// step is one step of the machine, with all that follows from it.
func (s *Service) step(e generation.Event) {
	for queue := []generation.Event{e}; len(queue) > 0; queue = queue[1:] {
		before := s.state.Phase
		next, actions := generation.Step(s.state, queue[0])
		s.state = next
		s.phase.Store(uint32(next.Phase))
		if queue[0].Kind == generation.Named {
			s.named = time.Now()
		}
		if next.Phase != before {
			s.upgrade.enter(next.Phase)
			s.log.Debug("phase", "from", before.String(), "to", next.Phase.String(), "event", queue[0].Kind.String())
		}
		s.keepAlive(next.Pings())
		for _, a := range actions {
			s.perform(a)
		}
		queue = append(queue, s.followUps...)
		s.followUps = nil
	}
	s.shown.changed()
}
