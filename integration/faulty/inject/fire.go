package inject

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fire lets happen what is ordered. What the trace says comes first: afterwards
// there may be nobody to say it.
func (in *Injector) fire(o Order) {
	victims := o.Fault.Victims(o.Side, os.Getpid(), in.peer())
	in.write(Event{Fault: o.Fault, Victims: victims})
	switch o.Fault {
	case KillPredecessor, KillSuccessor, KillBoth:
		for _, pid := range victims {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	case StopSuccessor:
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
	}
}

// stop returns when the process is stopped. A signal to oneself stops another
// thread first, and this one goes on meanwhile: hence to the thread.
func stop(pid int) {
	if pid == os.Getpid() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_ = unix.Tgkill(pid, unix.Gettid(), unix.SIGSTOP)
		return
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, after, ok := strings.Cut(string(stat), ") "); err != nil || !ok || after[0] == 'T' {
			return
		}
		runtime.Gosched()
	}
}

// closeDatagramSockets puts something else in the place of every Unix datagram
// socket of this process, of which there is one: what is sent to systemd fails.
// A descriptor that is merely closed would be somebody else's next.
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
