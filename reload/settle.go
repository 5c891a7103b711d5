package reload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/standin"
	"github.com/instar-project/instar/notify"

	"golang.org/x/sys/unix"
)

// systemd looks only once, when it reads MAINPID=, whether the main process is a
// child of its own. A successor is not: it is its predecessor's. And of a main
// process that is not its child systemd does not wait for the end when it stops
// the unit: SIGTERM is followed by SIGKILL at once, drain or not (service.c and
// unit_kill_context of systemd, measured on 254, 257 and 262). Once the
// predecessor has gone and systemd is the parent, it has to look again, which
// it does only if MAINPID= names another process in between: a stand-in.

// The pause before settling is tried again doubles from the first to the second.
const (
	shortestSettling = 50 * time.Millisecond
	longestSettling  = time.Minute
)

// naming asks the goroutine of Serve to name a stand-in, and then this process.
type naming struct {
	standIn int         // its PID; 0: there is none
	main    chan<- bool // answered: whether this process is main; if not, none is named
}

// settle makes this process a main process like one that systemd has started:
// its child, and the only one that may speak.
func (s *Service) settle() {
	if s.predecessor == nil || s.settled || s.notifier == nil {
		s.say(notify.NotifyAccess("main"))
		return
	}
	s.settled = true
	go s.persist(s.changePlaces)
}

// persist calls try until it succeeds, or until Serve returns, and reports which. Meanwhile
// unsettled returns the last error.
func (s *Service) persist(try func() error) bool {
	for pause := shortestSettling; ; pause = min(2*pause, longestSettling) {
		err := try()
		s.showUnsettled(err)
		if err == nil {
			return true
		}
		select {
		case <-s.done:
			return false
		case <-time.After(pause):
		}
	}
}

// changePlaces makes a stand-in the main process for a moment. It also returns nil if
// this process is no longer main, and there is nothing to settle.
func (s *Service) changePlaces() error {
	standIn, err := s.standIn()
	if err != nil {
		if !s.name(0) {
			return nil
		}
		return err
	}
	// systemd ignores MAINPID= of a process that has ended. So the stand-in lives until a
	// barrier shows that systemd has read it, however long that takes: a barrier needs two
	// descriptors, and perhaps none is free.
	read := s.name(standIn.PID()) && s.persist(s.awaitRead)
	err = standIn.End()
	if read && err == nil {
		s.log.Info("settled: systemd knows this process as its child")
	}
	return err
}

// Between the end of the predecessor and the barrier systemctl stop would not wait for
// this process, unless another one of the unit is there as well. So the predecessor says
// when it is about to end, and does not before this process has a stand-in at hand.

// spare is a stand-in that is at hand.
type spare struct {
	mu      sync.Mutex
	process *standin.Process // nil: there is none
}

// put reports false if there is one already.
func (s *spare) put(p *standin.Process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return false
	}
	s.process = p
	return true
}

func (s *spare) take() *standin.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process
	s.process = nil
	return p
}

func (s *spare) end() {
	if p := s.take(); p != nil {
		_ = p.End()
	}
}

// poise makes ready for the end of the predecessor, and tells it.
func (s *Service) poise(p *predecessor) {
	one, err := s.startStandIn()
	if err != nil {
		return // settle tries again, and says so
	}
	if !s.currentPhase().SoleMain() || !s.spare.put(one) {
		_ = one.End()
	}
	if err := p.line.Send(handover.Poised{}); err != nil {
		s.log.Debug("predecessor", "error", err)
	}
}

// awaitPoised waits for a moment until the successor is ready for the end of this process.
func (s *Service) awaitPoised() {
	next := s.successor
	if !s.handedOver.Load() || next == nil || !next.poises || next.superseded.Load() {
		return
	}
	select {
	case <-next.poised:
	case <-next.ended:
	case <-time.After(lastMoment):
		// It has other worries, or has been followed in turn.
	}
}

// standIn returns the stand-in at hand, or starts one, if systemd is the parent of this
// process by now.
func (s *Service) standIn() (*standin.Process, error) {
	if os.Getppid() == s.predecessor.pid {
		return nil, fmt.Errorf("the predecessor, PID %d, has not ended", s.predecessor.pid)
	}
	if p := s.spare.take(); p != nil {
		return p, nil
	}
	return s.startStandIn()
}

// name asks the goroutine of Serve to name a stand-in, and reports whether this process
// is still main.
func (s *Service) name(standIn int) bool {
	main := make(chan bool, 1)
	select {
	case s.standIns <- naming{standIn, main}:
		return <-main
	case <-s.done:
		return false
	}
}

// standInIsThere names the stand-in, if there is one, and then this process, provided
// that it is still main.
func (s *Service) standInIsThere(n naming) {
	main := s.state.Phase.SoleMain()
	if main {
		if n.standIn != 0 {
			s.notifier.Post(notify.NotifyAccess("all"), notify.MainPID(n.standIn))
		}
		s.notifier.Post(notify.MainPID(s.pid), notify.NotifyAccess("main"))
	}
	s.settled = main
	n.main <- main
}

func (s *Service) awaitRead() error {
	ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
	defer cancel()
	return s.notifier.Barrier(ctx)
}

// unsettled returns why systemd may not know this process as its child, in which case
// systemctl stop kills it without a drain. It is nil while nothing has failed, and again
// when a later try has succeeded. It may be called from any goroutine.
func (s *Service) unsettled() error {
	if err := s.settling.Load(); err != nil {
		return *err
	}
	return nil
}

// unsettledBecause is unsettled as a text; "" for nil.
func (s *Service) unsettledBecause() string {
	if err := s.unsettled(); err != nil {
		return err.Error()
	}
	return ""
}

func (s *Service) showUnsettled(err error) {
	before := s.unsettled()
	switch {
	case err == nil && before == nil:
		return
	case err == nil:
		s.settling.Store(nil)
	case before == nil || before.Error() != err.Error():
		s.settling.Store(&err)
		s.log.Warn("systemd may not know this process as its child yet: systemctl stop and restart could kill it without a drain; trying again", "error", err)
	default:
		return
	}
	s.shown.changed()
}

// awaitEnd returns once the process pid, which has closed its end of the line,
// has ended: only then somebody else is its children's parent.
func awaitEnd(pid int) {
	const patience = time.Second
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return // it has been reaped already
	}
	if err != nil { // no descriptor is free
		for began := time.Now(); os.Getppid() == pid && time.Since(began) < patience; {
			time.Sleep(time.Millisecond)
		}
		return
	}
	defer unix.Close(pidfd)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
}
