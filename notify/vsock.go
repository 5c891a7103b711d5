package notify

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// vsockPeer delivers to an AF_VSOCK address: a virtual machine's manager, or the
// payload of one, reporting to its host. There each notification has a socket of
// its own, and on the connection types the end of the connection is the end of the
// message, which the receiver confirms by closing too.
type vsockPeer struct {
	to       unix.SockaddrVM
	sockType int // 0: the first the host offers
	timeout  time.Duration
}

func newVsockPeer(a address, timeout time.Duration) *vsockPeer {
	return &vsockPeer{to: unix.SockaddrVM{CID: a.cid, Port: a.port}, sockType: a.sockType, timeout: timeout}
}

func (p *vsockPeer) close() error { return nil }

// try leaves it to send: every message is a conversation, which takes its time.
func (p *vsockPeer) try([]byte, []int) error { return unix.EAGAIN }

func (p *vsockPeer) send(text []byte, fds []int) error {
	if len(fds) > 0 {
		return fmt.Errorf("descriptors do not travel over vsock: %w", errors.ErrUnsupported)
	}
	fd, sockType, err := openVsock(p.sockType)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := setTimeout(fd, unix.SO_SNDTIMEO, p.timeout); err != nil {
		return err
	}
	if err := bindPrivileged(fd); err != nil {
		return err
	}
	if sockType == unix.SOCK_DGRAM {
		return untilDone(p.timeout, "sendmsg", func() error {
			_, err := unix.SendmsgN(fd, text, nil, &p.to, unix.MSG_NOSIGNAL)
			return err
		})
	}
	err = untilDone(p.timeout, "connect", func() error { return unix.Connect(fd, &p.to) })
	if err != nil {
		return err
	}
	return converse(fd, text, p.timeout)
}

// openVsock opens a socket of the type asked for, or, if that is 0, of the first
// that this host's hypervisor offers: SOCK_DGRAM, then SOCK_SEQPACKET, then
// SOCK_STREAM, as sd_notify(3) does.
func openVsock(sockType int) (fd, got int, err error) {
	types := []int{sockType}
	if sockType == 0 {
		types = []int{unix.SOCK_DGRAM, unix.SOCK_SEQPACKET, unix.SOCK_STREAM}
	}
	for _, got = range types {
		fd, err = unix.Socket(unix.AF_VSOCK, got|unix.SOCK_CLOEXEC, 0)
		if err == nil || !notOffered(err) {
			break
		}
	}
	return fd, got, os.NewSyscallError("socket", err)
}

func notOffered(err error) bool {
	switch err {
	case unix.ENODEV, unix.ESOCKTNOSUPPORT, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT:
		return true
	}
	return false
}

// bindPrivileged binds to a port below 1024 where the process may: a receiver can
// tell by it that the message comes from the machine's manager and not from
// any user. Lack of privilege is no error.
func bindPrivileged(fd int) error {
	for port := uint32(1023); port > 0; port-- {
		err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port})
		switch err {
		case nil, unix.EACCES, unix.EPERM:
			return nil
		case unix.EADDRINUSE:
			continue
		}
		return os.NewSyscallError("bind", err)
	}
	return os.NewSyscallError("bind", unix.EADDRINUSE)
}

// converse sends text over a connected socket, says that it is over, and waits for
// the receiver to close: before that the message might be lost with the sender.
func converse(fd int, text []byte, timeout time.Duration) error {
	for len(text) > 0 {
		err := untilDone(timeout, "sendmsg", func() error {
			n, err := unix.SendmsgN(fd, text, nil, nil, unix.MSG_NOSIGNAL)
			if err == nil {
				text = text[n:]
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return os.NewSyscallError("shutdown", err)
	}
	if err := setTimeout(fd, unix.SO_RCVTIMEO, timeout); err != nil {
		return err
	}
	var answer [1]byte
	return untilDone(timeout, "recv", func() error {
		n, err := unix.Read(fd, answer[:])
		if err == nil && n > 0 {
			return fmt.Errorf("the receiver answered, where only the end was expected: %w", unix.EPROTO)
		}
		return err
	})
}
