package reload

import (
	"context"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A main process that is not systemd's child ends unnoticed if its parent reaps it and then
// dies as well: systemd is not told, and a service that it takes for reloading
// stays dead until TimeoutStartSec=. So this process reaps a successor only when systemd
// has read that another process is main. If this process dies before, the zombie becomes
// systemd's child, and systemd learns of its end at once.

// awaitExit returns when a child has ended, and leaves it a zombie.
func awaitExit(pid int) (syscall.WaitStatus, error) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
	// si_pid, si_uid and si_status follow three numbers, aligned as a pointer: see sigaction(2).
	const pointer = unsafe.Sizeof(uintptr(0))
	const fields = (3*4 + pointer - 1) / pointer * pointer
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), fields+2*4))
	const exited, dumped = 1, 3 // CLD_EXITED, CLD_DUMPED
	switch info.Code {
	case exited:
		return syscall.WaitStatus(status << 8), nil
	case dumped:
		return syscall.WaitStatus(status | 0x80), nil
	}
	return syscall.WaitStatus(status), nil
}

// reap reaps a successor that has ended once systemd does not take it for the main process.
func (s *Service) reap(next *successor) {
	const pause = 100 * time.Millisecond
	for {
		if s.currentPhase().Accepts() { // MAINPID= of this process was sent before
			ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
			err := s.notifier.Barrier(ctx)
			cancel()
			if err == nil || !passes(err) {
				_, _ = next.process.Wait()
				return
			}
		}
		select {
		case <-time.After(pause):
		case <-s.done:
			return // this process ends, and systemd reaps
		}
	}
}
