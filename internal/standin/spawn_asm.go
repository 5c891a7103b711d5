//go:build amd64 || arm64

package standin

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// spawn starts a process that executes run on stack, in the memory of this one, and
// returns its PID or a negative errno.
func spawn(stack []byte) int {
	top := uintptr(unsafe.Pointer(unsafe.SliceData(stack))) + uintptr(len(stack))
	return spawnOn(unix.CLONE_VM|sharing, top)
}

// spawnOn calls clone(2), and run in the child.
func spawnOn(flags, top uintptr) (pid int)

var _ = run // which assembly calls
