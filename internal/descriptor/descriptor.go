// Package descriptor closes, duplicates and receives file descriptors: each of these once,
// with close-on-exec and without a leak on an error.
package descriptor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// CloseAll closes descriptors. Neighbours, as the kernel makes them of one message, take one
// system call.
func CloseAll(fds []int) {
	for len(fds) > 0 {
		n := 1
		for n < len(fds) && fds[n] == fds[n-1]+1 {
			n++
		}
		// Linux 5.9; and a system call filter may not know it.
		if n == 1 || unix.CloseRange(uint(fds[0]), uint(fds[n-1]), 0) != nil {
			for _, fd := range fds[:n] {
				unix.Close(fd)
			}
		}
		fds = fds[n:]
	}
}

// Duplicate returns a duplicate of fd that is the caller's, close-on-exec, with the lowest
// free number from lowest on.
func Duplicate(fd, lowest int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, lowest)
}

// Rights returns the descriptors that came with a message (SCM_RIGHTS), from its control
// data. They are the caller's; on an error none is left open.
func Rights(control []byte) ([]int, error) {
	if len(control) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	var all []int
	for i := range messages {
		if messages[i].Header.Level != unix.SOL_SOCKET || messages[i].Header.Type != unix.SCM_RIGHTS {
			continue // credentials and the like
		}
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			CloseAll(all)
			return nil, fmt.Errorf("control message: %w", err)
		}
		all = append(all, fds...)
	}
	return all, nil
}
