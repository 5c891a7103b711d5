package reload

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"

	"golang.org/x/sys/unix"
)

// reloadSignal is the signal that systemd sends to the main process for a reload;
// see ReloadSignal= in systemd.service(5).
const reloadSignal = syscall.SIGHUP

// Serve tells systemd, or the predecessor, that this process is ready, and serves
// until it has nothing left to do. Each of servers, which may be none where the
// application accepts by itself, runs in a goroutine of its own; their connections
// wait until this generation is the one that serves.
//
// Serve returns nil when this generation has handed over and drained, or was
// told to stop, by SIGTERM, SIGINT or the end of ctx, and has drained: the program is
// to end then. A second such signal to the main process cuts every connection at once,
// those of older generations as well. It returns an error when a server fails, hangs when
// it is closed, or cannot serve again after a take back, when the predecessor goes before
// it has handed over, or when Serve or Close was called before.
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
	var signals stopCount
	cancelled := func() {
		stopped = nil
		s.step(generation.Event{Kind: generation.StopAsked})
	}
	for s.state.Phase != generation.Ended {
		select {
		case by := <-stop:
			s.stopSignalled(by, &signals)
			continue
		case <-stopped:
			cancelled()
			continue
		case <-s.reloads:
			// Before this process may end, it has to pass it on.
			s.reloadSignalled()
			continue
		default:
		}
		select {
		case by := <-stop:
			s.stopSignalled(by, &signals)
		case <-stopped:
			cancelled()
		case <-s.reloads:
			s.reloadSignalled()
		case <-s.pulse:
		case given := <-s.asked:
			// The caller may have had an answer meanwhile.
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

// dated is the event with the facts that depend on when the reload signal came.
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
