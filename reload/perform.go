package reload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/notify"

	"golang.org/x/sys/unix"
)

// barrierTimeout bounds how long systemd may take to read its messages.
const barrierTimeout = 30 * time.Second

// perform carries out one action of the state machine.
func (s *Service) perform(a generation.Action) {
	s.log.Debug("action", "verb", a.Verb.String())
	switch a.Verb {
	case generation.OpenGates:
		s.intake.Open()
	case generation.CloseGates:
		s.intake.Close()

	case generation.SayReady:
		s.sayServing(s.upgrade.remark)
	case generation.SayReloading:
		s.say(notify.Reloading(), extension(s.config.ReadyTimeout), notify.Status(s.title()+" serving; its successor initialises"))
	case generation.SayStopping:
		s.say(notify.Stopping, notify.Status(s.title()+" stopping"))

	case generation.Spawn:
		s.spawnSuccessor(a.Again)
	case generation.Kill:
		s.kill(a.LastWords)
	case generation.Blame:
		s.upgrade.blame(a.Err)
	case generation.Store:
		s.beginStore(a.Stopping)
	case generation.Offer:
		s.offer()
	case generation.Adopt:
		s.beginAdopt()
	case generation.TellAdopted:
		s.tell(handover.Adopted{})
	case generation.AnnounceTakeover:
		s.tellSuccessor(handover.Takeover{MonotonicUSec: sinceBoot().Microseconds()})
	case generation.NameSuccessor:
		s.nameSuccessor(a.Probation)
	case generation.Release:
		s.releaseSuccessor()
	case generation.PassOn:
		s.passOn()
	case generation.NameSelf:
		s.handedOver.Store(false)
		// RELOADING=1 because systemd may have sent the other process a reload signal
		// that it has not answered. READY=1 follows in any case.
		if s.unname != nil {
			s.unname() // an unsent message is moot
		}
		s.say(notify.MainPID(s.pid), notify.Reloading())
		s.tookBack = true
		if s.successor == nil {
			break // it is the predecessor that has gone, in the middle of the takeover
		}
		s.upgrade.remark = fmt.Sprintf("took back from generation %d: %v", s.generation+1, s.failure(s.upgrade.reason))
		s.log.Warn("took back", "reason", s.upgrade.reason)
	case generation.Succeed:
		s.succeed()
	case generation.Conclude:
		s.conclude()
	case generation.Fail:
		s.fail()

	case generation.TellReady:
		s.tell(handover.Ready{Protocol: handover.Current, Build: s.config.Build, Adopts: s.keeping.keeps(), Poises: true, ProbationUSec: s.config.Probation.Microseconds()})
	case generation.TellRefused:
		s.tell(refusal(a.Err))
	case generation.TellProven:
		s.tell(handover.Proven{})
		s.expectRelease(s.predecessor)
	case generation.TellUnhealthy:
		s.tell(unwell(s.upgrade.reason))
	case generation.TellStopping:
		s.tell(handover.Stopping{})
	case generation.TellSuperseded:
		s.tell(handover.Superseded{})
	case generation.TellResumed:
		s.tell(handover.Resumed{})

	case generation.BeginProbation:
		s.beginProbation()
	case generation.Drain:
		s.beginDrain(a.Stopping)
	case generation.Hurry:
		s.drainServers(Drain{ErrStopping, s.drain.deadline})
	case generation.Resume:
		if err := s.endDrain(); err != nil {
			s.followUps = append(s.followUps, generation.Event{Kind: generation.GaveUp, Err: err})
		}
	case generation.Settle:
		s.settle()
	case generation.Cut:
		const most = 10 // that are named
		ends := s.intake.Peers(most)
		if n := s.intake.Cut(); n > 0 {
			// One that the application has forgotten to close shows at every upgrade.
			s.log.Warn("connections closed at the end of the drain", "connections", n, "with", ends)
		}
	case generation.Remember:
		s.log.Error("the service cannot go on", "error", a.Err)
		s.result = errors.Join(s.result, a.Err)
	case generation.End:
		s.result = errors.Join(s.result, a.Err)
	}
}

// kill ends the successor, or its start; watch sees the end of it. lastWords: it has a
// moment to say them.
func (s *Service) kill(lastWords bool) {
	if s.starting != nil {
		s.starting.cancel()
		s.starting = nil
		return
	}
	process := s.successor.process
	if lastWords {
		time.AfterFunc(lastMoment, func() { _ = process.Kill() })
		return
	}
	_ = process.Kill()
}

// say posts one datagram to systemd, however long that takes. The service goes on
// meanwhile, see reportNotifier.
func (s *Service) say(fields ...notify.Field) { s.notifier.Post(fields...) }

// reportNotifier hears of trouble with posted messages.
func (s *Service) reportNotifier(err error) {
	if err != nil {
		s.log.Error("systemd cannot be told how the service stands, which is tried again until it can", "error", err)
		return
	}
	s.log.Info("systemd has been told")
}

// extension asks systemd to give the job that is under way another d, and a margin
// for the steps after.
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
	s.log.Info("serving", "connections", s.intake.Connections())
}

func (s *Service) tellSuccessor(m handover.Message) { s.successor.tell(s.log, m) }

// namingTimeout is how long this process, which accepts no more, waits for systemd to
// make room for MAINPID=.
const namingTimeout = 5 * time.Second

// nameSuccessor makes the successor main, and keeps for this process the right to
// take back. A sent message is as good as read: systemd reads in order, so the
// successor may go on at once.
func (s *Service) nameSuccessor(probation bool) {
	next := s.successor
	var sent tickets
	if probation {
		// A successor that hangs in its probation is this process's to notice: see
		// generation.State.OnTrial.
		sent = append(sent, s.sayMain(next, extension(heartbeatTimeout)))
	} else {
		sent = s.sayReadyAndMain(next)
	}
	var ctx context.Context
	ctx, s.unname = context.WithTimeout(context.Background(), namingTimeout)
	named := func() *generation.Event {
		if err := sent.wait(ctx); err != nil {
			return &generation.Event{Kind: generation.NamingFailed, Err: because(ErrNaming, err)}
		}
		if probation {
			next.expect(heartbeatTimeout)
		}
		next.tell(s.log, handover.TakenOver{})
		go s.awaitNamed(next)
		return nil
	}
	if sent.done() { // as ever, and no generation accepts until the successor knows
		if failed := named(); failed != nil {
			s.followUps = append(s.followUps, *failed)
		}
		return
	}
	go func() {
		if failed := named(); failed != nil {
			s.post(next, *failed)
		}
	}()
}

// tickets are those of messages that belong together.
type tickets []*notify.Ticket

// done reports whether all have been sent, or never will be.
func (all tickets) done() bool {
	for _, t := range all {
		select {
		case <-t.Done():
		default:
			return false
		}
	}
	return true
}

// wait returns nil once all have been sent.
func (all tickets) wait(ctx context.Context) error {
	for _, t := range all {
		if err := t.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// releaseSuccessor ends the probation of the successor.
func (s *Service) releaseSuccessor() {
	s.sayReadyAndMain(s.successor)
	s.tellSuccessor(handover.Released{})
	go s.awaitNamed(s.successor)
}

// sayReadyAndMain ends the reload. When systemd reads READY=1 it stops a unit whose
// main process is dead, and the successor may be dead by then. So this process is
// main for READY=1; MAINPID= of a dead process systemd ignores.
func (s *Service) sayReadyAndMain(next *successor) tickets {
	return tickets{
		s.notifier.Post(notify.MainPID(s.pid), notify.Ready),
		// EXTEND_TIMEOUT_USEC= has moved the watchdog's limit as well. A successor that
		// hangs now is to be noticed within WatchdogSec=.
		s.sayMain(next, notify.Watchdog),
	}
}

func (s *Service) sayMain(next *successor, also notify.Field) *notify.Ticket {
	return s.notifier.Post(
		notify.NotifyAccess("all"),
		notify.MainPID(next.process.Pid),
		notify.Status(title(s.generation+1, next.build)+" serving"),
		notify.Errno(0),
		also)
}

// awaitNamed waits until systemd has read that the successor is main: it ignores
// messages from a process that has exited.
func (s *Service) awaitNamed(next *successor) {
	const pause = 100 * time.Millisecond
	for told := false; ; told = true {
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		err := s.notifier.Barrier(ctx)
		cancel()
		if err == nil || !passes(err) {
			break // and if it never will, waiting is of no use
		}
		if !told {
			s.log.Warn("systemd takes its time to follow to the new main process, so this one waits", "error", err)
		}
		select {
		case <-time.After(pause):
		case <-next.ended:
			return
		case <-s.done:
			return
		}
	}
	s.post(next, generation.Event{Kind: generation.Named})
}

// passes reports whether a barrier that has failed may succeed later: systemd is busy, or
// there is a lack of descriptors. Without a receiver it cannot.
func passes(err error) bool {
	for _, passing := range []error{
		context.DeadlineExceeded, unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.ETOOMANYREFS,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
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

// land waits until nothing is in flight, or ctx ends, which does at the deadline. In the
// last CutWindow before that it closes what is left, one connection after the other.
func (s *Service) land(ctx context.Context, deadline time.Time) error {
	if s.config.CutWindow < 0 {
		return s.intake.Landed(ctx)
	}
	until, cancel := context.WithDeadline(ctx, deadline.Add(-s.config.CutWindow))
	err := s.intake.Landed(until)
	cancel()
	if err == nil || ctx.Err() != nil {
		return err
	}
	if n := s.intake.Thin(ctx, deadline); n > 0 {
		s.log.Warn("connections closed towards the end of the drain", "connections", n, "within", s.config.CutWindow)
	}
	return s.intake.Landed(ctx)
}

// beginDrain begins a drain. stopping: for the end of the service, not after a handover.
func (s *Service) beginDrain(stopping bool) {
	s.spare.end()
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	deadline, _ := ctx.Deadline()
	d := &drain{cancel, deadline, s.intake.Sockets()}
	s.drain = d
	parked := s.keeping.parked
	if s.successor != nil {
		s.mains.add(s.successor.line)
		go s.reportDrain(ctx.Done(), deadline)
	}
	if !stopping {
		go s.awaitLasted(d)
	}
	s.log.Info("draining", "connections", s.intake.Connections(), "timeout", s.config.DrainTimeout)
	reason := ErrHandedOver
	if stopping {
		reason = ErrStopping
	}
	calls := s.drainServers(Drain{reason, deadline})
	go func() {
		defer cancel()
		// The work in flight is only known once every server knows of the drain.
		if err := await(ctx, calls); err != nil {
			s.log.Warn("a server hangs", "error", err)
		}
		if parked != nil {
			<-parked
		}
		kind := generation.DrainedOut
		if err := s.land(ctx, deadline); err != nil {
			kind = generation.DrainTimedOut
		}
		s.post(d, generation.Event{Kind: kind})
	}()
}

func (s *Service) drainServers(d Drain) (calls []call) {
	for _, server := range s.servers {
		calls = append(calls, server.drain(d))
	}
	return calls
}

// awaitLasted waits for as long as the successor may need this process to take back.
func (s *Service) awaitLasted(d *drain) {
	select {
	case <-time.After(min(s.config.Standby, s.config.DrainTimeout)):
		s.post(d, generation.Event{Kind: generation.SuccessorLasted})
	case <-s.done:
	}
}

func (s *Service) endDrain() error {
	s.drain.cancel()
	open := s.drain.sockets
	s.drain = nil
	return s.resumeServers(open)
}

// alive is a sign of life of the loop, and of the application.
func (s *Service) alive(ctx context.Context) error {
	select {
	case s.pulse <- struct{}{}:
	case <-ctx.Done():
		s.log.Error("the service is stuck in an action, so its watchdog is not pinged", "phase", s.Phase())
		return ctx.Err()
	}
	if s.config.Health == nil {
		return nil
	}
	return s.config.Health(ctx)
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
	if s.watchdog != nil || s.launcher.unit.watchdog == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.watchdog = cancel
	go func() {
		if err := s.notifier.KeepAlive(ctx, s.launcher.unit.watchdog, s.alive); err != nil && ctx.Err() == nil {
			s.log.Error("watchdog", "error", err)
		}
	}()
}
