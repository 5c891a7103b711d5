//go:build !amd64 && !arm64

package standin

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// spawn starts a process that executes run, and returns its PID or a negative errno.
// Switching to another stack takes assembly, so here the process gets a copy of the
// memory and stays on its copy of this stack.
//
//go:nosplit
//go:norace
//go:noinline
func spawn([]byte) int {
	flags, top := uintptr(sharing), uintptr(0)
	if runtime.GOARCH == "s390x" {
		flags, top = top, flags
	}
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, flags, top, 0, 0, 0, 0)
	if errno != 0 {
		return -int(errno)
	}
	if pid == 0 {
		run()
	}
	return int(pid)
}
