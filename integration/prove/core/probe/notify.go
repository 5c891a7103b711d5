package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify"
)

const (
	notifyPairs = 1000
	// burst is how many datagrams make one sample of a send: one alone is too
	// short to measure, and more than the queue holds would measure the manager.
	burst = 5

	text     = "serving, generation 17"
	datagram = "STATUS=" + text
)

// measureNotify sends to the manager in NOTIFY_SOCKET.
func measureNotify() error {
	n, err := notify.Take()
	if err != nil {
		return err
	}
	if n == nil {
		return errors.New("NOTIFY_SOCKET is not set: to be run as a service with NotifyAccess=")
	}
	defer n.Close()
	b, err := openBare(n.Address())
	if err != nil {
		return err
	}
	defer unix.Close(b.fd)

	roundTrip := contest{
		times: 1,
		ours:  func() error { return errors.Join(n.Send(notify.Status(text)), barrier(n)) },
		bare:  func() error { return errors.Join(b.send(), b.barrier()) },
	}
	send := contest{
		before: b.barrier, // the queue is empty then
		times:  burst,
		ours:   func() error { return n.Send(notify.Status(text)) },
		bare:   b.send,
	}
	samples := map[string][]pair{}
	if samples["round trip"], err = roundTrip.pairs(notifyPairs); err != nil {
		return err
	}
	if samples["send"], err = send.pairs(notifyPairs); err != nil {
		return err
	}
	return write(samples)
}

func barrier(n *notify.Notifier) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return n.Barrier(ctx)
}

// bare is the system calls that cannot be spared.
type bare struct {
	fd int
	to unix.SockaddrUnix
}

func openBare(address string) (*bare, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return &bare{fd: fd, to: unix.SockaddrUnix{Name: address}}, nil
}

func (b *bare) send() error {
	_, err := unix.SendmsgN(b.fd, []byte(datagram), nil, &b.to, unix.MSG_NOSIGNAL)
	return os.NewSyscallError("sendmsg", err)
}

// barrier is sd_notify_barrier(3).
func (b *bare) barrier() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	defer unix.Close(pipe[0])
	_, err := unix.SendmsgN(b.fd, []byte("BARRIER=1"), unix.UnixRights(pipe[1]), &b.to, unix.MSG_NOSIGNAL)
	unix.Close(pipe[1])
	if err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	for {
		switch n, err := unix.Read(pipe[0], make([]byte, 1)); {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("read", err)
		case n > 0:
			return errors.New("the service manager wrote to a barrier instead of closing it")
		default:
			return nil
		}
	}
}
