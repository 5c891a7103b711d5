package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// conn is a *net.TCPConn or a *net.UnixConn, or a wrapper of package reload around
// it.
type conn interface {
	net.Conn
	syscall.Conn
}

// peeker reads lines without taking them out of the socket: lines that a killed
// process had not taken are there for the next one.
type peeker struct {
	conn conn
	raw  syscall.RawConn
	buf  []byte
	seen int // bytes at the front of the queue that are a line's beginning
}

func newPeeker(c conn) (*peeker, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &peeker{conn: c, raw: raw, buf: make([]byte, 4*maxInput)}, nil
}

var errTooLong = errors.New("the line is too long")

// next waits for whole lines, and returns all that have come. They are valid until
// the next call. io.EOF: the client has gone, and no more lines will come.
func (p *peeker) next() ([]byte, error) {
	for {
		n, err := p.peek()
		if err != nil {
			return nil, err
		}
		if end := bytes.LastIndexByte(p.buf[:n], '\n'); end >= 0 {
			p.seen = 0
			return p.buf[:end+1], nil
		}
		if n >= maxInput {
			return nil, errTooLong
		}
		p.seen = n
	}
}

// peek waits until there is more in the socket than was seen.
func (p *peeker) peek() (n int, err error) {
	failed := p.raw.Read(func(fd uintptr) (done bool) {
		for {
			n, _, err = unix.Recvfrom(int(fd), p.buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			return true
		case n == 0, n <= p.seen && hungUp(int(fd)):
			err = io.EOF
			return true
		}
		return n > p.seen
	})
	if failed != nil {
		return 0, failed
	}
	return n, err
}

// hungUp says that nothing more will come. A peek sees the end only when nothing is
// left before it, and here half a line is.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// take takes the next n bytes, which were peeked, out of the socket.
func (p *peeker) take(n int) error {
	_, err := io.ReadFull(p.conn, p.buf[:n])
	return err
}
