package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

const (
	// maxRights is SCM_MAX_FD of unix(7): how many descriptors one message carries.
	maxRights = 253
	// sendTimeout bounds a Send: a peer that does not read must not stop a
	// process that serves.
	sendTimeout = 2 * time.Second
	// maxDatagram is well under the smallest default send buffer.
	maxDatagram = 64 << 10
)

// Conn is one end of the line between two generations. Send and Receive may
// run at the same time; Send may be called from several goroutines.
type Conn struct {
	sending sync.Mutex
	sock    *net.UnixConn
	in      []byte // Receive's, kept between calls
	oob     []byte
}

// Pair makes the line: the predecessor's end, and the descriptor for the
// successor to inherit. Both are close-on-exec; the caller closes both.
func Pair() (*Conn, *os.File, error) {
	fds, err := Ends()
	if err != nil {
		return nil, nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "handover")
	ours, err := Open(fds[0])
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Ends makes a line for two others: both ends are the caller's, close-on-exec.
func Ends() (ends [2]int, err error) {
	ends, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ends, fmt.Errorf("handover: socketpair: %w", err)
	}
	return ends, nil
}

// Open takes the descriptor fd, on error too, as one end of a line. Anything
// but a Unix seqpacket socket is an error.
func Open(fd int) (*Conn, error) {
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "handover")
	if file == nil {
		return nil, fmt.Errorf("handover: %d is no descriptor", fd)
	}
	defer file.Close()
	if err := checkSocket(fd); err != nil {
		return nil, err
	}
	// FileConn works on a duplicate of its own.
	c, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("handover: descriptor %d: %w", fd, err)
	}
	return &Conn{sock: c.(*net.UnixConn)}, nil
}

func checkSocket(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return fmt.Errorf("handover: descriptor %d is not the handover socket: %w", fd, err)
	}
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("handover: descriptor %d is not the handover socket: %w", fd, err)
	}
	if domain != unix.AF_UNIX || typ != unix.SOCK_SEQPACKET {
		return fmt.Errorf("handover: descriptor %d is not the handover socket: domain %d, type %d instead of a Unix seqpacket socket", fd, domain, typ)
	}
	return nil
}

// Send sends one message with the descriptors fds, which stay the caller's. It
// fails if the other end does not read for a while.
func (c *Conn) Send(m Message, fds ...int) error {
	datagram, err := Encode(m)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if err := c.sock.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("handover: send %s: %w", m.kind(), err)
	}
	if err := c.write(datagram, rights); err != nil {
		return fmt.Errorf("handover: send %s: %w", m.kind(), err)
	}
	return nil
}

// Receive waits for the next message and the descriptors that came with it,
// which are the caller's. io.EOF: the other end has gone. An error that wraps
// ErrUnknownType leaves the line usable; its descriptors are closed.
func (c *Conn) Receive() (Message, []int, error) {
	if c.in == nil {
		c.in = make([]byte, maxDatagram)
		c.oob = make([]byte, unix.CmsgSpace(maxRights*4))
	}
	n, oobn, flags, _, err := c.sock.ReadMsgUnix(c.in, c.oob)
	for errors.Is(err, unix.ECONNRESET) {
		// A peer that has gone with messages of ours unread: reported once, ahead
		// of its last words, which are still in the queue.
		n, oobn, flags, _, err = c.sock.ReadMsgUnix(c.in, c.oob)
	}
	if err != nil {
		// An empty datagram looks like the end, but may carry descriptors.
		if fds, err := descriptor.Rights(c.oob[:oobn]); err == nil {
			descriptor.CloseAll(fds)
		}
		if errors.Is(err, io.EOF) {
			return nil, nil, io.EOF
		}
		return nil, nil, fmt.Errorf("handover: receive: %w", err)
	}
	fds, err := descriptor.Rights(c.oob[:oobn])
	if err != nil {
		return nil, nil, fmt.Errorf("handover: %w", err)
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = fmt.Errorf("handover: a message of more than %d bytes or %d descriptors", maxDatagram, maxRights)
	}
	var m Message
	if err == nil {
		m, err = Decode(c.in[:n])
	}
	if err != nil {
		descriptor.CloseAll(fds)
		return nil, nil, err
	}
	return m, fds, nil
}

// Close closes this end, which the other sees as io.EOF.
func (c *Conn) Close() error { return c.sock.Close() }
