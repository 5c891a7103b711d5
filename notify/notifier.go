package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sendTimeout bounds one Send. systemd drains its socket in milliseconds; five
// seconds of silence mean that it is stuck.
const sendTimeout = 5 * time.Second

// sendSlice is how long the kernel waits for room in the manager's queue before the
// sender looks whether the message is still wanted.
const sendSlice = 100 * time.Millisecond

// Notifier sends notifications to one service manager. It is made by [Take] or
// [Dial], is safe for concurrent use, and owns one socket until Close. A nil
// *Notifier stands for "not run by a service manager": its methods do nothing and
// return nil.
type Notifier struct {
	address   string
	timeout   time.Duration // of a Send
	transport transport
	woken     chan struct{} // ends the pause of working

	mu      sync.Mutex
	buf     []byte        // of the datagram, kept for the next
	queue   []*Ticket     // messages that could not leave at once, in order; see post.go
	sending *Ticket       // the head of it, while it is being sent
	working chan struct{} // closed when the goroutine that empties it ends; nil: there is none
	report  func(error)   // may be nil
	closed  bool
}

// transport delivers datagrams to one address. send and try are not called at the same
// time.
type transport interface {
	// send delivers text with duplicates of fds attached, or fails with an error
	// that holds an errno: EAGAIN if there was no room for it for a while.
	send(text []byte, fds []int) error
	// try is send without the while. It may fail with EAGAIN as it likes.
	try(text []byte, fds []int) error
	close() error
}

// Take returns a Notifier for the address in NOTIFY_SOCKET and unsets the variable,
// also when it fails. It returns nil and no error if the variable is unset or empty:
// the process was not started by a service manager, or its unit has
// NotifyAccess=none. A malformed address is an error that quotes it.
func Take() (*Notifier, error) {
	address := os.Getenv("NOTIFY_SOCKET")
	if err := os.Unsetenv("NOTIFY_SOCKET"); err != nil {
		return nil, fmt.Errorf("notify: unset NOTIFY_SOCKET: %w", err)
	}
	if address == "" {
		return nil, nil
	}
	return Dial(address)
}

// Dial returns a Notifier for an address in any form that NOTIFY_SOCKET may have: an
// absolute path, '@' and an abstract name, vsock:CID:PORT, or the latter with
// vsock-stream, vsock-dgram or vsock-seqpacket to force the type of socket. The
// receiver need not exist yet: Send is the first to need it.
func Dial(address string) (*Notifier, error) {
	return dial(address, sendTimeout)
}

func dial(text string, timeout time.Duration) (*Notifier, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, err
	}
	var t transport
	if a.vsock {
		t = newVsockPeer(a, timeout)
	} else if t, err = openUnixPeer(a, min(timeout, sendSlice)); err != nil {
		return nil, fmt.Errorf("notify: socket for %s: %w", text, err)
	}
	return &Notifier{address: text, timeout: timeout, transport: t, woken: make(chan struct{}, 1)}, nil
}

// Address returns the address as it stood in NOTIFY_SOCKET, for a successor that
// shall report to the same manager. It is "" for a nil Notifier.
func (n *Notifier) Address() string {
	if n == nil {
		return ""
	}
	return n.address
}

// Send sends fields to the service manager as exactly one datagram, descriptors
// attached. If any field is invalid, or they do not go together, nothing is sent and
// the error matches [ErrInvalid].
//
// Success says that the datagram is in the manager's queue; see the package comment
// on its limits. If the queue is full, Send waits up to five seconds and fails with
// [syscall.EAGAIN]: see [Notifier.Post] for a message that must arrive. After Close
// it fails with [os.ErrClosed].
func (n *Notifier) Send(fields ...Field) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	text, fds, err := encode(n.buf[:0], fields)
	if err != nil {
		n.mu.Unlock()
		return fmt.Errorf("notify: %w; nothing was sent", err)
	}
	n.buf = text
	t, err := n.dispatch(text, fds)
	n.mu.Unlock()
	if t == nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), n.timeout, os.NewSyscallError("sendmsg", unix.EAGAIN))
	defer cancel()
	return t.Wait(ctx)
}

// dispatch sends a message, or else, if there is no room for it now, returns a ticket
// to wait for. n.mu is held.
func (n *Notifier) dispatch(text []byte, fds []int) (*Ticket, error) {
	switch err := n.now(text, fds); {
	case err == nil:
		return nil, nil
	case errors.Is(err, unix.EAGAIN):
		return n.enqueue(text, fds, false), nil
	default:
		return nil, n.failure(text, err)
	}
}

// Close closes the Notifier's socket. Unsent posts are dropped: see
// [Notifier.Flush]. Closing a closed or a nil Notifier does nothing.
func (n *Notifier) Close() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.hurry()
	working := n.working
	n.mu.Unlock()
	if working != nil {
		<-working
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.queue) > 0 {
		n.finish(n.queue[0], n.failure(n.queue[0].text, os.ErrClosed))
	}
	if err := n.transport.close(); err != nil {
		return fmt.Errorf("notify: close socket for %s: %w", n.address, err)
	}
	return nil
}

// failure says which message was not sent, and why.
func (n *Notifier) failure(text []byte, err error) error {
	return fmt.Errorf("notify: send %s to %s: %w%s", keys(string(text)), n.address, err, advice(err))
}

// keys names the assignments of a datagram, for errors: values may be long.
func keys(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		key, _, _ := strings.Cut(line, "=")
		lines[i] = key + "="
	}
	return strings.Join(lines, " ")
}

// advice names the setting to check when sending has failed with err, or "".
func advice(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return ": the socket has no receiver; check that the unit has Type=notify, Type=notify-reload or NotifyAccess=, and that NOTIFY_SOCKET is this service's own"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return ": this process may not reach the socket; check its user and the unit's sandbox"
	case errors.Is(err, unix.EAGAIN):
		return ": the service manager does not read its socket"
	case errors.Is(err, unix.ETOOMANYREFS):
		return ": too many descriptors are under way; raise LimitNOFILE= or send a Barrier between them"
	case errors.Is(err, unix.EBADF):
		return ": one of the descriptors is not open"
	}
	return ""
}
