// Package standin starts a process that systemd can look at in place of this one.
//
// A stand-in is a process of its own in the same cgroup, but not a second run of the
// program: it waits for signals, passes them on to this process, and exits when it is
// told to. No code of the application runs in it. Starting one needs no file, no
// permission to execute, no environment and no free descriptor.
//
// On amd64 and arm64 a stand-in shares memory and descriptors with this process, as a
// thread does. Starting one takes 40 µs whatever the size of the heap. fork(2) took
// 35 ms per GiB in the same virtual machine (38 ms with 1 GiB, 140 ms with 4), and any
// other thread with a page fault was stalled for as long; vm.overcommit_memory=2 may
// refuse to fork a large process at all.
package standin

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a stand-in may take to end before it is killed.
const patience = 10 * time.Second

// Process is a stand-in.
type Process struct {
	pid   int
	ended chan struct{} // closed when it has ended; End reaps it
}

// Start starts a stand-in, which lives until End or until this process dies. It passes on
// every signal sent to it from now on, except SIGKILL and SIGSTOP, which cannot be
// blocked.
//
// Errors wrap the errno of mmap(2) or clone(2), and name a remedy.
func Start() (*Process, error) {
	p := &Process{ended: make(chan struct{})}
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("standin: %w", err)
	}
	return p, nil
}

// Of this process.
var (
	living  atomic.Int32
	lastEnd atomic.Pointer[time.Time]
)

// Seen reports whether this process has a stand-in, or had one within that time. A signal
// that was sent to all processes of the unit may come twice then.
func Seen(within time.Duration) bool {
	if living.Load() > 0 {
		return true
	}
	last := lastEnd.Load()
	return last != nil && time.Since(*last) <= within
}

// live keeps its thread until the stand-in has ended: PR_SET_PDEATHSIG is about the death
// of the thread that called clone(2), not of the process (golang.org/issue/27505).
func (p *Process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stack, err := unix.Mmap(-1, 0, stackSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_STACK)
	if err != nil {
		started <- advise(os.NewSyscallError("mmap", err))
		return
	}
	defer unix.Munmap(stack)
	living.Add(1)
	defer func() {
		now := time.Now()
		lastEnd.Store(&now)
		living.Add(-1)
	}()
	if p.pid, err = clone(stack); err != nil {
		started <- advise(os.NewSyscallError("clone", err))
		return
	}
	started <- nil
	defer close(p.ended)
	for errors.Is(unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT|unix.WALL, nil), unix.EINTR) {
	}
}

// clone starts the process with all signals blocked, which they stay: no handler of the Go
// runtime runs in it, and signals that come before it waits for them are pending.
func clone(stack []byte) (pid int, err error) {
	var before unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &everySignal, &before); err != nil {
		return 0, err
	}
	pid = spawn(stack)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		panic(err) // its arguments are right
	}
	if pid < 0 {
		return 0, syscall.Errno(-pid)
	}
	return pid, nil
}

func advise(err error) error {
	switch {
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: the limit of processes is reached; raise TasksMax= or LimitNPROC= of the unit", err)
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("%w: raise MemoryMax= of the unit, or free memory of the machine", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: SystemCallFilter= of the unit has to allow @process", err)
	}
	return err
}

// PID returns the process ID, which stays the stand-in's until End has returned.
func (p *Process) PID() int { return p.pid }

// End ends the stand-in and waits for it. Signals sent to it before are passed on first.
// An error means that the stand-in ended for another reason, perhaps long before this
// call. End must be called exactly once.
func (p *Process) End() error {
	_ = unix.Kill(p.pid, end) // it is a zombie at least
	defer time.AfterFunc(patience, func() { _ = unix.Kill(p.pid, unix.SIGKILL) }).Stop()
	<-p.ended
	var status unix.WaitStatus
	switch _, err := unix.Wait4(p.pid, &status, unix.WALL, nil); {
	case err != nil:
		return fmt.Errorf("standin: %w", os.NewSyscallError("wait4", err))
	case status.Signaled():
		return fmt.Errorf("standin: PID %d was killed by %s", p.pid, unix.SignalName(status.Signal()))
	case status.ExitStatus() != 0:
		return fmt.Errorf("standin: PID %d failed: %w", p.pid, syscall.Errno(status.ExitStatus()))
	}
	return nil
}
