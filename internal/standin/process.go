package standin

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// end is the signal that ends a stand-in. Pending signals are delivered in the order of
// their numbers, so this one, the last, loses none of the others.
const end = unix.Signal(64)

// stackSize is plenty: the linker limits a chain of nosplit functions to 800 bytes.
const stackSize = 16 << 10

// sharing are the flags of clone(2) on every architecture. The stand-in shares the table of
// descriptors, so it keeps none open that this process closes. It sends no signal when it
// ends, so an application that waits for its children does not notice it.
const sharing = unix.CLONE_FILES

// These are read by stand-ins, which can neither compute nor allocate them.
var (
	parent      = uintptr(os.Getpid())
	everySignal = func() (set unix.Sigset_t) {
		for i := range set.Val {
			set.Val[i] = ^set.Val[i]
		}
		return set
	}()
	// sizeofSigset is the size of a set in the kernel.
	sizeofSigset = func() uintptr {
		if strings.HasPrefix(runtime.GOARCH, "mips") {
			return 128 / 8
		}
		return 64 / 8
	}()
)

// run is all that a stand-in does. There is no goroutine and no runtime behind it: it must
// not return, allocate, grow its stack, or call a function that might.
//
//go:nosplit
//go:norace
func run() {
	_, _, errno := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	if ppid, _, _ := syscall.RawSyscall6(unix.SYS_GETPPID, 0, 0, 0, 0, 0, 0); ppid != parent {
		errno = unix.ESRCH // it died before prctl
	}
	for errno == 0 {
		var sig uintptr
		sig, _, errno = syscall.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&everySignal)), 0, 0, sizeofSigset, 0, 0)
		switch {
		case errno == unix.EINTR: // stopped and continued
			errno = 0
		case errno != 0:
		case sig == uintptr(end):
			syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 0, 0, 0, 0, 0, 0)
		default:
			// An error has no reader.
			syscall.RawSyscall6(unix.SYS_KILL, parent, sig, 0, 0, 0, 0)
		}
	}
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, uintptr(errno), 0, 0, 0, 0, 0)
	}
}
