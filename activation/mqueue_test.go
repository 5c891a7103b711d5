package activation

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// openQueue makes a POSIX message queue that has no name any more when it
// returns (mq_open(3), mq_unlink(3); the kernel's names have no slash).
func openQueue(name *byte) (fd int, err error) {
	r, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)),
		unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600, 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
		unix.Close(int(r))
		return -1, errno
	}
	return int(r), nil
}
