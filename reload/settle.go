package reload

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/generation"
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

// standInVariable marks the process that is a stand-in.
const standInVariable = "INSTAR_STAND_IN"

// standInTimeout is how long it may take to start.
const standInTimeout = 10 * time.Second

// standInEnds tells a stand-in to end. What is pending of signals reaches a process in
// the order of their numbers, and this one's is higher than those of the signals that
// are passed on: what systemd has asked for before is not lost.
const standInEnds = syscall.SIGWINCH

// A stand-in is this program once more, and does nothing until it is told to end but
// to pass on what systemd asks a main process.
func init() {
	if os.Getenv(standInVariable) == "" {
		return
	}
	parent := os.Getppid()
	asked := make(chan os.Signal, 16)
	signal.Notify(asked, reloadSignal, syscall.SIGTERM, standInEnds)
	os.Stdout.Close() // it is there: see startStandIn
	stdio[1].Close()
	for s := range asked {
		if s == standInEnds {
			os.Exit(0)
		}
		if os.Getppid() == parent {
			_ = unix.Kill(parent, s.(syscall.Signal))
		}
	}
}

// settle makes this process a main process like one that systemd has started:
// its child, and the only one that may speak.
func (s *Service) settle() {
	if s.predecessor == nil || s.settled || s.notifier == nil {
		s.say(notify.NotifyAccess(notify.AccessMain))
		return
	}
	s.settled = true
	go func() {
		standIn, err := startStandIn()
		if err != nil {
			s.log.Warn("systemd will not wait for this process when it stops the service", "error", err)
		}
		select {
		case s.standIns <- standIn:
		case <-s.done:
			endStandIn(standIn)
		}
	}()
}

// standInIsThere names the stand-in, which may be nil, and then this process, if it
// is main still.
func (s *Service) standInIsThere(standIn *os.Process) {
	if s.state.Phase.Main() && s.state.Phase != generation.TakingOver {
		if standIn != nil {
			s.say(notify.NotifyAccess(notify.AccessAll), notify.MainPID(standIn.Pid))
		}
		s.say(notify.MainPID(s.pid), notify.NotifyAccess(notify.AccessMain))
	} else {
		s.settled = false
	}
	go func() {
		// The stand-in has to live until systemd has read that.
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		defer cancel()
		if err := s.notifier.Barrier(ctx); err != nil {
			s.log.Debug("settling", "error", err)
		}
		endStandIn(standIn)
	}()
}

// startStandIn returns once the stand-in is ready to pass signals on.
func startStandIn() (*os.Process, error) {
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()
	standIn, err := os.StartProcess("/proc/self/exe", os.Args[:1], &os.ProcAttr{
		Env:   []string{standInVariable + "=1"},
		Files: []*os.File{nil, theirs, nil},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	theirs.Close()
	if err != nil {
		return nil, err
	}
	_ = ready.SetReadDeadline(time.Now().Add(standInTimeout))
	if _, err := ready.Read(make([]byte, 1)); err != io.EOF {
		_ = standIn.Kill()
		_, _ = standIn.Wait()
		return nil, fmt.Errorf("the stand-in does not start: %w", err)
	}
	return standIn, nil
}

func endStandIn(standIn *os.Process) {
	if standIn == nil {
		return
	}
	_ = standIn.Signal(standInEnds)
	defer time.AfterFunc(standInTimeout, func() { _ = standIn.Kill() }).Stop()
	_, _ = standIn.Wait()
}

// awaitEnd returns once the process pid, which has closed its end of the line,
// has ended: only then somebody else is its children's parent.
func awaitEnd(pid int) {
	const patience = time.Second
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has been reaped already
	}
	defer unix.Close(pidfd)
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
}
