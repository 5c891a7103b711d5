package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Barrier returns nil once the service manager has processed everything that this
// process sent before (sd_notify_barrier(3)). It sends BARRIER=1 as a datagram of
// its own, which the protocol demands, with the write end of a pipe, and waits for
// the manager to close it.
//
// It ends early, with an error that wraps the context's, when ctx is done: the
// manager may then still process everything, later. Give ctx a deadline, for a
// manager that is stuck does not answer.
//
// Processed does not mean accepted: systemd answers a barrier also when
// NotifyAccess= makes it ignore the messages before. And if the manager's socket is
// closed with the barrier in its queue, the kernel closes the pipe, which looks
// just like the answer. A socket that is gone before that is an error at once. A
// vsock address takes no descriptors: the error matches [errors.ErrUnsupported].
func (n *Notifier) Barrier(ctx context.Context) error {
	if n == nil {
		return nil
	}
	if ctx.Err() != nil {
		return n.barrierError(context.Cause(ctx))
	}
	var pipe [2]int
	// The read end does not block, for the runtime's poller; the write end goes to
	// the manager, which only closes it.
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return n.barrierError(os.NewSyscallError("pipe2", err))
	}
	hangup := os.NewFile(uintptr(pipe[0]), "barrier")
	defer hangup.Close()

	err := n.sendBarrier(ctx, pipe[1])
	unix.Close(pipe[1]) // so that the manager's is the last
	if err != nil {
		return err
	}
	if err := awaitHangup(ctx, hangup); err != nil {
		return n.barrierError(err)
	}
	return nil
}

// barrierError says on which barrier err ended the wait.
func (n *Notifier) barrierError(err error) error {
	return fmt.Errorf("notify: barrier at %s: %w", n.address, err)
}

// sendBarrier sends the write end of the pipe, behind all that waits to be sent.
func (n *Notifier) sendBarrier(ctx context.Context, fd int) error {
	n.mu.Lock()
	t, err := n.dispatch([]byte("BARRIER=1"), []int{fd})
	n.mu.Unlock()
	if t == nil {
		return err
	}
	return t.Wait(ctx)
}

// awaitHangup waits until the last write end of the pipe is closed or ctx is done.
func awaitHangup(ctx context.Context, pipe *os.File) error {
	stop := context.AfterFunc(ctx, func() { pipe.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var data [1]byte
	_, err := pipe.Read(data[:])
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer from the service manager: %w", context.Cause(ctx))
	case err != nil:
		return err
	}
	return errors.New("the service manager wrote to the pipe instead of closing it")
}
