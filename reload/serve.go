package reload

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/generation"
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

	servers   []*serving
	successor *successor // the last one started
	attempt   int        // how many upgrades this line of main processes has tried
	upgrade   upgrade    // the last one
	drain     *drain     // the drain under way
	watchdog  context.CancelFunc
	settled   bool // systemd knows this process, a successor, as its child, or is about to
	standIns  chan naming
	settling  atomic.Pointer[error] // why systemd may not know it as its child; nil: no reason
	store     *fdstore.Store
	origin    Origin
	stored    chan struct{} // closed when the last Store is done; nil: there was none
	parked    bool          // the keeper has let go of its state
	result    error
	signalled bool // the reload signal has come since the last verdict
	tookBack  bool // systemd was told that this process is main again
	shown     shown
}

// posted is an event with the successor or drain it comes from; nil: neither.
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
}

// post hands an event to the goroutine of Serve.
func (sh *shell) post(from any, e generation.Event) {
	select {
	case sh.events <- posted{e, from}:
	case <-sh.done:
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
// told to stop, by SIGTERM or the end of ctx, and has drained: the program is
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
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(stop)

	s.checkSettings()
	if err := s.sockets.CheckUnclaimed(); err != nil {
		s.log.Warn("unclaimed sockets", "error", err)
	}
	if s.predecessor != nil {
		go s.follow(s.predecessor)
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
	if s.drain != nil {
		s.drain.cancel()
	}
	err := errors.Join(s.result, s.shut())
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
	asked := func() {
		stopped = nil
		s.step(generation.Event{Kind: generation.StopAsked})
	}
	for s.state.Phase != generation.Ended {
		select {
		case <-stop:
			asked()
			continue
		case <-stopped:
			asked()
			continue
		case <-s.reloads:
			// Before this process may end, it has to pass it on.
			s.reloadSignalled()
			continue
		default:
		}
		select {
		case <-stop:
			asked()
		case <-stopped:
			asked()
		case <-s.reloads:
			s.reloadSignalled()
		case given := <-s.asked:
			// Whoever asked may have had an answer meanwhile.
			if given == s.verdicts.count() {
				s.step(generation.Event{Kind: generation.ReloadAsked})
			}
		case p := <-s.standIns:
			s.standInIsThere(p)
		case p := <-s.events:
			if !s.stale(p) {
				s.step(p.Event)
			}
		}
	}
}

func (s *Service) reloadSignalled() {
	if s.state.Phase != generation.TakingOver { // else it is not for this process
		s.signalled = true
	}
	s.step(generation.Event{Kind: generation.ReloadAsked})
}

// step is one step of the machine, with all that follows from it.
func (s *Service) step(e generation.Event) {
	for queue := []generation.Event{e}; len(queue) > 0; queue = queue[1:] {
		before := s.state.Phase
		next, actions := generation.Step(s.state, queue[0])
		s.state = next
		s.phase.Store(uint32(next.Phase))
		if next.Phase != before {
			s.upgrade.enter(next.Phase)
			s.log.Debug("phase", "from", before.String(), "to", next.Phase.String(), "event", queue[0].Kind.String())
		}
		if before == generation.Draining && next.Phase == generation.Stopping {
			s.hurryDrain()
		}
		for _, a := range actions {
			if !s.perform(a) {
				break
			}
		}
		s.keepAlive(next.Phase.Main() && !next.OnTrial())
		queue = append(queue, s.followUps...)
		s.followUps = nil
	}
	s.concludeAlone()
	s.shown.changed()
}
