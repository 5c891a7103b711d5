package reload

import (
	"context"
	"os"
	"syscall"
	"time"

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

// A stand-in is this program once more, and does nothing until it is killed.
func init() {
	if os.Getenv(standInVariable) != "" {
		time.Sleep(time.Hour)
		os.Exit(0)
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
	standIn, err := os.StartProcess("/proc/self/exe", os.Args[:1], &os.ProcAttr{
		Env:   []string{standInVariable + "=1"},
		Files: []*os.File{nil, nil, nil},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		s.log.Warn("systemd will not wait for this process when it stops the service", "error", err)
		s.say(notify.NotifyAccess(notify.AccessMain))
		return
	}
	// One right after the other: systemd reads both before it does anything else.
	s.say(notify.NotifyAccess(notify.AccessAll), notify.MainPID(standIn.Pid))
	s.say(notify.MainPID(s.pid), notify.NotifyAccess(notify.AccessMain))
	go func() {
		// The stand-in has to live until systemd has read that.
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		defer cancel()
		if err := s.notifier.Barrier(ctx); err != nil {
			s.log.Debug("settling", "error", err)
		}
		_ = standIn.Kill()
		_, _ = standIn.Wait()
	}()
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
