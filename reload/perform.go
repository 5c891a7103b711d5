package reload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/notify"
)

// barrierTimeout bounds how long systemd may take to read what it was sent.
const barrierTimeout = 30 * time.Second

// perform carries out one action of the state machine. It reports false if that
// failed and what was to follow must not: an event says what does instead.
func (s *Service) perform(a generation.Action) bool {
	s.log.Debug("action", "verb", a.Verb.String())
	switch a.Verb {
	case generation.OpenGates:
		s.gate.Open()
	case generation.CloseGates:
		s.gate.Close()

	case generation.SayReady:
		s.sayServing(s.upgrade.remark)
	case generation.SayReloading:
		s.say(notify.Reloading(), extension(s.config.ReadyTimeout), notify.Status(s.title()+" serving; its successor initialises"))
	case generation.SayStopping:
		s.say(notify.Stopping, notify.Status(s.title()+" stopping"))

	case generation.Spawn:
		s.beginUpgrade()
	case generation.Kill:
		s.kill()
	case generation.Blame:
		s.upgrade.blame(a.Err)
	case generation.Store:
		s.beginStore(s.state.Phase == generation.Stopping)
	case generation.Offer:
		s.offer()
	case generation.Adopt:
		if err := s.adopt(); err != nil {
			s.followUps = append(s.followUps, generation.Event{Kind: generation.GaveUp, Err: err})
			return false
		}
		s.followUps = append(s.followUps, generation.Event{Kind: generation.Adopted})
	case generation.TellAdopted:
		s.tell(handover.Adopted{})
	case generation.AnnounceTakeover:
		s.tellSuccessor(handover.Takeover{})
		s.tell(handover.Superseded{})
	case generation.NameSuccessor:
		s.nameSuccessor(a.Probation)
	case generation.Release:
		s.releaseSuccessor()
	case generation.PassOn:
		s.passOn()
	case generation.NameSelf:
		// RELOADING=1 because systemd may have sent the other process a reload signal
		// that it has not answered. READY=1 follows in any case.
		s.say(notify.MainPID(s.pid), notify.Reloading())
		s.tookBack = true
		s.tell(handover.Resumed{})
		if s.successor == nil {
			break // it is the predecessor that has gone, in the middle of the takeover
		}
		s.upgrade.remark = fmt.Sprintf("took back from generation %d: %v", s.generation+1, s.failure(s.upgrade.reason))
		s.log.Warn("took back", "reason", s.upgrade.reason)
	case generation.Succeed:
		s.succeed()
	case generation.Fail:
		s.fail()

	case generation.TellReady:
		s.tell(handover.Ready{Protocol: handover.Current, Build: s.config.Build, Adopts: s.keeper != nil, ProbationUSec: s.config.Probation.Microseconds()})
	case generation.TellRefused:
		s.tell(refusal(a.Err))
	case generation.TellProven:
		s.tell(handover.Proven{})
	case generation.TellUnhealthy:
		s.tell(unwell(s.upgrade.reason))
	case generation.TellStopping:
		s.tell(handover.Stopping{})

	case generation.BeginProbation:
		s.beginProbation()
	case generation.Drain:
		s.beginDrain()
	case generation.Resume:
		if err := s.endDrain(); err != nil {
			s.followUps = append(s.followUps, generation.Event{Kind: generation.GaveUp, Err: err})
			return false
		}
	case generation.Settle:
		s.settle()
	case generation.Cut:
		const most = 10 // that are named
		ends := s.flight.ends(most)
		if n := s.flight.cut(); n > 0 {
			// One that the application has forgotten to close shows at every upgrade.
			s.log.Warn("connections closed at the end of the drain", "connections", n, "with", ends)
		}
	case generation.End:
		s.result = a.Err
	}
	return true
}

// kill ends the successor; watch sees the end of it. One that has refused while
// this process serves has a moment to say its last words.
func (s *Service) kill() {
	const lastWords = time.Second
	process := s.successor.process
	if s.state.Phase == generation.Reverting && errors.Is(s.upgrade.reason, ErrRefused) {
		time.AfterFunc(lastWords, func() { _ = process.Kill() })
		return
	}
	_ = process.Kill()
}

// say sends one datagram to systemd. There is nothing better to do with an
// error than to report it: the service goes on.
func (s *Service) say(fields ...notify.Field) {
	if err := s.notifier.Send(fields...); err != nil {
		s.log.Error("systemd was not told", "error", err)
	}
}

// extension asks systemd to give the job that is under way another d, and a
// margin for what comes after.
func extension(d time.Duration) notify.Field {
	const margin = 10 * time.Second
	return notify.ExtendTimeout(d + margin)
}

// title is how STATUS= calls this generation.
func (s *Service) title() string { return title(s.generation, s.config.Build) }

func title(generation int, build string) string {
	return notify.OneLine(fmt.Sprintf("generation %d (%s)", generation, build))
}

// sayServing sends READY=1; remark, if any, goes into STATUS=.
func (s *Service) sayServing(remark string) {
	status := s.title() + " serving"
	if remark != "" {
		status += "; " + remark
	}
	s.say(notify.Ready, notify.Status(notify.OneLine(status)), notify.Errno(0))
	s.log.Info("serving", "connections", s.flight.connections())
}

func (s *Service) tellSuccessor(m handover.Message) {
	if err := s.successor.line.Send(m); err != nil {
		s.log.Debug("successor", "error", err)
	}
}

// nameSuccessor makes the successor main, and keeps for this process the right
// to take back. What has been sent is as good as read: systemd reads in order, so
// the successor may go on at once.
func (s *Service) nameSuccessor(probation bool) {
	next := s.successor
	var err error
	if probation {
		// A successor that hangs in its probation is this process's to notice: see
		// generation.State.OnTrial.
		err = s.sayMain(next, extension(heartbeatTimeout))
	} else {
		err = s.sayReadyAndMain(next)
	}
	if err != nil {
		s.followUps = append(s.followUps, generation.Event{Kind: generation.NamingFailed, Err: fmt.Errorf("%w: %w", ErrNaming, err)})
		return
	}
	if probation {
		next.late.Reset(heartbeatTimeout)
	}
	s.tellSuccessor(handover.TakenOver{})
	go s.awaitNamed(next)
}

// releaseSuccessor ends the probation of the successor.
func (s *Service) releaseSuccessor() {
	if err := s.sayReadyAndMain(s.successor); err != nil {
		s.log.Warn("the successor has to say READY=1 itself", "error", err)
	}
	s.tellSuccessor(handover.Released{})
	go s.awaitNamed(s.successor)
}

// sayReadyAndMain ends the reload. When systemd reads READY=1 it stops a unit whose
// main process is dead, and the successor may be dead by then. So this process is
// main for READY=1; MAINPID= of a dead process systemd ignores.
func (s *Service) sayReadyAndMain(next *successor) error {
	if err := s.notifier.Send(notify.MainPID(s.pid), notify.Ready); err != nil {
		return err
	}
	// EXTEND_TIMEOUT_USEC= has moved the watchdog's limit as well. A successor that
	// hangs now is to be noticed within WatchdogSec=.
	return s.sayMain(next, notify.Watchdog)
}

func (s *Service) sayMain(next *successor, also notify.Field) error {
	return s.notifier.Send(
		notify.NotifyAccess(notify.AccessAll),
		notify.MainPID(next.process.Pid),
		notify.Status(title(s.generation+1, next.build)+" serving"),
		notify.Errno(0),
		also)
}

// awaitNamed waits until systemd has read that the successor is main: what a
// process has sent that is no more it ignores.
func (s *Service) awaitNamed(next *successor) {
	ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
	defer cancel()
	if err := s.notifier.Barrier(ctx); err != nil {
		s.log.Warn("systemd takes its time to follow to the new main process", "error", err)
	}
	s.post(next, generation.Event{Kind: generation.Named})
}

// passOn asks the successor to reload as systemd asks a main process. One that is
// no more cannot be asked: this process takes back.
func (s *Service) passOn() {
	if s.successor == nil {
		return
	}
	if err := s.successor.process.Signal(reloadSignal); err != nil {
		s.log.Debug("a request to reload was not passed on", "error", err)
	}
}

func (s *Service) beginDrain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	d := &drain{cancel, s.gate.sockets()}
	s.drain = d
	stored := s.stored
	if s.successor != nil {
		s.mains.add(s.successor.line)
		deadline, _ := ctx.Deadline()
		go s.reportDrain(ctx.Done(), deadline)
	}
	s.log.Info("draining", "connections", s.flight.connections(), "timeout", s.config.DrainTimeout)
	var calls []call
	for _, server := range s.servers {
		calls = append(calls, server.drain(s.state.Phase == generation.Stopping))
	}
	go func() {
		defer cancel()
		// Nothing is known of what is in flight before every server knows of the drain.
		if err := await(ctx, calls); err != nil {
			s.log.Warn("a server hangs", "error", err)
		}
		if stored != nil {
			<-stored
		}
		kind := generation.DrainedOut
		if err := s.flight.wait(ctx); err != nil {
			kind = generation.DrainTimedOut
		}
		s.post(d, generation.Event{Kind: kind})
	}()
}

// hurryDrain tells servers that drain that the service stops.
func (s *Service) hurryDrain() {
	for _, server := range s.servers {
		server.hurry()
	}
}

func (s *Service) endDrain() error {
	s.drain.cancel()
	open := s.drain.sockets
	s.drain = nil
	return s.resumeServers(open)
}

// keepAlive pings the watchdog of the unit for as long as this process is main.
func (s *Service) keepAlive(main bool) {
	if !main {
		if s.watchdog != nil {
			s.watchdog()
			s.watchdog = nil
		}
		return
	}
	if s.watchdog != nil || s.config.watchdog == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.watchdog = cancel
	go func() {
		if err := s.notifier.KeepAlive(ctx, s.config.watchdog, s.config.Health); err != nil && ctx.Err() == nil {
			s.log.Error("watchdog", "error", err)
		}
	}()
}
