package httpdrain

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// golang.org/x/net/http2/h2c takes a connection of HTTP/1 away from net/http and
// serves HTTP/2 on it, where nothing of net/http reaches it any more. But a server
// that reads GOAWAY finishes the connection in the same way as one that is told to
// shut down: it says GOAWAY itself, and ends when its streams have. So that is what it
// gets to read at the drain, between two frames of its client.

// hijackedConn is a connection on which a handler serves HTTP/2.
type hijackedConn struct {
	net.Conn
	table *table
	ahead []byte // read before the handler took it

	// Of Read, which is one goroutine's.
	frames frames
	goAway []byte // left to be read

	mu       sync.Mutex
	deadline time.Time // of the handler
	asked    bool      // finish was called
	waking   bool      // the deadline of the connection is in the past, and not the handler's
}

// prefaceLeft is how many bytes a client of HTTP/2 has yet to send after this request
// before its first frame; 0: it is not one.
func prefaceLeft(r *http.Request) int {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	switch {
	case r.Method == "PRI" && r.ProtoMajor == 2:
		return len("SM\r\n\r\n")
	case strings.EqualFold(r.Header.Get("Upgrade"), "h2c"):
		return len(preface)
	}
	return 0
}

// hijacked puts a hijackedConn in the place of what http.Hijacker has returned.
func (s *Server) hijacked(nc net.Conn, rw *bufio.ReadWriter, preface int) (net.Conn, *bufio.ReadWriter) {
	ahead, _ := rw.Peek(rw.Reader.Buffered())
	c := &hijackedConn{Conn: nc, table: &s.conns, ahead: ahead, frames: frames{left: preface}}
	s.conns.mu.Lock()
	s.conns.hijacked[c] = struct{}{}
	s.conns.mu.Unlock()
	if s.draining.Load() {
		c.finish()
	}
	return c, bufio.NewReadWriter(bufio.NewReader(c), rw.Writer)
}

// finish has the server of the connection finish it.
func (c *hijackedConn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked {
		return
	}
	c.asked, c.waking = true, true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

func (c *hijackedConn) Read(p []byte) (int, error) {
	for {
		if n := c.readGoAway(p); n > 0 {
			return n, nil
		}
		if len(c.ahead) > 0 {
			n := copy(p, c.ahead)
			c.ahead = c.ahead[n:]
			c.frames.follow(p[:n])
			return n, nil
		}
		n, err := c.Conn.Read(p)
		c.frames.follow(p[:n])
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.woken() {
			continue
		}
		return n, err
	}
}

// goAwayFrame is GOAWAY without an error.
const goAwayFrame = "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// readGoAway reads what finish has asked for, where it may stand.
func (c *hijackedConn) readGoAway(p []byte) int {
	if c.goAway == nil && c.frames.between() {
		c.mu.Lock()
		if c.asked {
			c.goAway = []byte(goAwayFrame)
		}
		c.mu.Unlock()
	}
	n := copy(p, c.goAway)
	c.goAway = c.goAway[n:]
	return n
}

// woken reports whether Read has ended because of finish, and undoes that.
func (c *hijackedConn) woken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	woken := c.waking
	c.waking = false
	if woken {
		_ = c.Conn.SetReadDeadline(c.deadline)
	}
	return woken
}

func (c *hijackedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.waking {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *hijackedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

func (c *hijackedConn) Close() error {
	c.table.mu.Lock()
	delete(c.table.hijacked, c)
	c.table.mu.Unlock()
	return c.Conn.Close()
}

// frames follows a stream of HTTP/2 frames, to know where one may be put in.
type frames struct {
	left   int     // bytes of the frame, or of the preface, that are still to come
	header [9]byte // RFC 9113, section 4.1
	have   int     // bytes of it
	seen   bool    // there was a frame: the first one has to be the client's
	open   bool    // CONTINUATION has to follow
}

func (f *frames) follow(p []byte) {
	const headers, continuation, endHeaders = 0x1, 0x9, 0x4
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			f.left -= n
			p = p[n:]
			continue
		}
		n := copy(f.header[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have < len(f.header) {
			return
		}
		h := f.header
		f.have, f.seen = 0, true
		f.left = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
		f.open = (h[3] == headers || h[3] == continuation) && h[4]&endHeaders == 0
	}
}

func (f *frames) between() bool { return f.seen && f.left == 0 && f.have == 0 && !f.open }
