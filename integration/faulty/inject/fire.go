package inject

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fire carries out an order. It writes the trace first: afterwards the process may
// be gone.
func (in *Injector) fire(o Order) {
	victims := o.Fault.Victims(o.Side, os.Getpid(), in.peer())
	in.write(Event{Fault: o.Fault, Victims: victims})
	switch o.Fault {
	case KillPredecessor, KillSuccessor, KillBoth:
		for _, pid := range victims {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	case StopPredecessor, StopSuccessor, StopBoth:
		for _, pid := range victims {
			stop(pid)
		}
	case Exit1:
		os.Exit(1)
	case Exit0:
		os.Exit(0)
	case Panic:
		panic(fmt.Sprintf("ordered at %v", o.Step))
	case DiskFull:
		_ = os.WriteFile(filepath.Join(in.dir, fullFile), nil, 0o666)
		in.diskFull.Store(true)
	case CloseNotify:
		closeDatagramSockets()
	case FailServer:
		close(in.failing)
	case FailSends:
		crowd(SendsFailFor)
	default:
		in.lasting.Store(&o.Fault)
	}
}

// crowd lets every send of descriptors by this process fail for a while. The kernel
// counts for each user those that are on their way, and compares them with the limit of
// the process that sends.
func crowd(d time.Duration) {
	const most = 400 // open files: this process has far fewer
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	var before unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		panic(err)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: before.Max}, nil); err != nil {
		panic(err)
	}
	many := unix.UnixRights(slices.Repeat([]int{ends[0]}, maxRights)...)
	for err = nil; err == nil; {
		err = unix.Sendmsg(ends[0], []byte("x"), many, nil, unix.MSG_DONTWAIT)
	}
	if !errors.Is(err, unix.ETOOMANYREFS) {
		panic(err)
	}
	time.AfterFunc(d, func() {
		_ = unix.Prlimit(0, unix.RLIMIT_NOFILE, &before, nil)
		unix.Close(ends[0])
		unix.Close(ends[1])
	})
}

// SendsFailFor is how long FailSends lasts.
const SendsFailFor = time.Second

// maxRights is how many descriptors one message holds (SCM_MAX_FD).
const maxRights = 253

// stopFor is for how long a process that is stopped is stopped again if it goes on. systemd
// sends SIGCONT after the reload signal (pidref_kill_and_sigcont), and on a busy machine
// an upgrade is well under way by then.
const stopFor = 500 * time.Millisecond

// stop stops a process, which may be this one, and returns after stopFor.
func stop(pid int) {
	if pid == os.Getpid() {
		// A signal to oneself stops another thread first, and this one goes on
		// meanwhile: hence to the thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	for began := time.Now(); time.Since(began) < stopFor; time.Sleep(5 * time.Millisecond) {
		if pid == os.Getpid() {
			_ = unix.Tgkill(pid, unix.Gettid(), unix.SIGSTOP)
		} else if syscall.Kill(pid, syscall.SIGSTOP) != nil {
			return // it has gone
		}
	}
}

// closeDatagramSockets puts something else in the place of every Unix datagram
// socket of this process, of which there is one: messages to systemd fail. A
// descriptor that is merely closed would soon be reused.
func closeDatagramSockets() {
	nothing, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	defer unix.Close(nothing)
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			continue
		}
		domain, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		if err == nil && domain == unix.AF_UNIX && kind == unix.SOCK_DGRAM {
			_ = unix.Dup3(nothing, fd, unix.O_CLOEXEC)
		}
	}
}
