package notify

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// unixPeer delivers to an AF_UNIX address. Its socket is not connected: a connected
// one would stay bound to a manager's socket that has since been re-created.
type unixPeer struct {
	fd      int
	to      unix.SockaddrUnix
	timeout time.Duration // of one send
}

func openUnixPeer(a address, timeout time.Duration) (*unixPeer, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := setTimeout(fd, unix.SO_SNDTIMEO, timeout); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &unixPeer{fd: fd, to: unix.SockaddrUnix{Name: a.text}, timeout: timeout}, nil
}

// setTimeout sets SO_SNDTIMEO or SO_RCVTIMEO. No event tells when the queue of an
// unconnected socket's receiver has room again, so the kernel must do the waiting.
func setTimeout(fd, option int, timeout time.Duration) error {
	tv := unix.NsecToTimeval(timeout.Nanoseconds())
	return os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv))
}

func (p *unixPeer) send(text []byte, fds []int) error { return p.sendmsg(text, fds, 0) }

func (p *unixPeer) try(text []byte, fds []int) error { return p.sendmsg(text, fds, unix.MSG_DONTWAIT) }

func (p *unixPeer) sendmsg(text []byte, fds []int, flags int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	return untilDone(p.timeout, "sendmsg", func() error {
		_, err := unix.SendmsgN(p.fd, text, rights, &p.to, flags|unix.MSG_NOSIGNAL)
		return err
	})
}

func (p *unixPeer) close() error { return os.NewSyscallError("close", unix.Close(p.fd)) }

// untilDone repeats a system call that a signal interrupts. A socket's timeout
// starts anew each time, so the repeating has one of its own.
func untilDone(timeout time.Duration, name string, call func() error) error {
	var deadline time.Time // set by the first interruption: rare
	for {
		err := call()
		if err != unix.EINTR {
			return os.NewSyscallError(name, err)
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(timeout)
		} else if time.Now().After(deadline) {
			return os.NewSyscallError(name, unix.EAGAIN)
		}
	}
}
