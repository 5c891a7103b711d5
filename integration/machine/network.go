package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// network makes sockets in the network namespace of a machine from this process.
//
// A socket belongs to the namespace of the thread that made it, for good, so
// only socket(2) needs the thread to be there: there and back is 2 µs, less than
// handing the call to a thread that lives there would take.
type network struct {
	there, here *os.File // namespaces: the machine's, and this process's
}

// openNetwork opens a network namespace by its path in /proc.
func openNetwork(path string) (*network, error) {
	there, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	here, err := os.Open("/proc/self/ns/net")
	if err != nil {
		there.Close()
		return nil, err
	}
	return &network{there, here}, nil
}

func (n *network) Close() error { return errors.Join(n.there.Close(), n.here.Close()) }

// socket is socket(2), called in the machine. The descriptor is non-blocking and
// close-on-exec, and the caller's.
func (n *network) socket(domain, kind int) (int, error) {
	runtime.LockOSThread()
	if err := setns(n.there); err != nil {
		runtime.UnlockOSThread()
		return -1, err
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if back := setns(n.here); back != nil {
		// Never unlocked: the thread must not carry another goroutine into the
		// machine, and is ended with this one.
		if err == nil {
			unix.Close(fd)
		}
		return -1, fmt.Errorf("leave the machine's network; this goroutine is stuck in it: %w", back)
	}
	runtime.UnlockOSThread()
	return fd, os.NewSyscallError("socket", err)
}

// setns moves the calling thread into the namespace. A file that is closed
// meanwhile is an error, never a jump into whatever has its number now.
func setns(namespace *os.File) error {
	raw, err := namespace.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Setns(int(fd), unix.CLONE_NEWNET) }); err != nil {
		return ErrClosed // the only error Control has
	}
	return os.NewSyscallError("setns", failed)
}
