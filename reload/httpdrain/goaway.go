package httpdrain

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// http2Conn is a connection of HTTP/2, as the server of that protocol reads and writes
// it. RFC 9113 (6.8) ends one in two steps: a first GOAWAY asks the client to begin
// nothing new and refuses nothing; a second one names the last stream, once everything
// has come that the client had sent before it read the first. A PING behind the first
// one tells when that is: its answer comes behind all that. The servers of net/http
// and golang.org/x/net know the second step alone, and many clients report the
// requests that it refuses as failed.
//
// So the first GOAWAY, with the PING, is put between two frames that the server writes.
// For the second one the server itself gets GOAWAY to read, between two frames of the
// client: it answers with its own, and ends when its streams have, as in
// http.Server.Shutdown. That works as well where nothing of net/http reaches the server:
// golang.org/x/net/http2/h2c.
type http2Conn struct {
	net.Conn
	table   *table // has it until it is closed
	preface string // that the client has to send and the server is not to read
	ahead   []byte // read before this was made

	goAway   sync.Once
	leaving  atomic.Bool // the first GOAWAY is due
	writing  sync.Mutex
	out      frames
	left     bool // the first GOAWAY is written
	in       frames
	toRead   []byte // of the second one
	mu       sync.Mutex
	deadline time.Time // for reading, as the server has set it
	ending   bool      // the second GOAWAY is due
	waking   bool      // the deadline is in the past, and not the server's
}

const (
	goAwayHeader = "\x00\x00\x08\x07\x00\x00\x00\x00\x00"
	pingHeader   = "\x00\x00\x08\x06\x00\x00\x00\x00\x00"
	pingData     = "we leave"
	leave        = goAwayHeader + "\x7f\xff\xff\xff" + "\x00\x00\x00\x00" + // any stream may have been begun
		pingHeader + pingData
	end = goAwayHeader + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // the server has begun none
)

// sayGoAway has the connection end. The client has patience to answer before the second
// step.
func (c *http2Conn) sayGoAway(patience time.Duration) {
	c.goAway.Do(func() {
		c.leaving.Store(true)
		// A client that does not read does not delay others.
		go func() {
			c.writing.Lock()
			defer c.writing.Unlock()
			c.sayLeave()
		}()
		time.AfterFunc(patience, c.sayEnd)
	})
}

// sayLeave writes the first GOAWAY as soon as it may stand there.
func (c *http2Conn) sayLeave() {
	if c.leaving.Load() && !c.left && c.out.between() {
		c.left = true
		_, _ = c.Conn.Write([]byte(leave)) // the server will meet the error as well
	}
}

func (c *http2Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, err := c.Conn.Write(p)
	c.out.follow(p[:n])
	c.sayLeave()
	return n, err
}

// sayEnd lets the server read the second GOAWAY as soon as it may stand there. If it
// waits for a frame, it waits no longer.
func (c *http2Conn) sayEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending, c.waking = true, true
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

var errPreface = errors.New("httpdrain: the connection begins as HTTP/2 and goes on as something else")

func (c *http2Conn) Read(p []byte) (int, error) {
	for {
		if n := c.readEnd(p); n > 0 {
			return n, nil
		}
		n, err := c.readOn(p)
		skip := min(n, len(c.preface))
		if string(p[:skip]) != c.preface[:skip] {
			return 0, errPreface
		}
		c.preface = c.preface[skip:]
		n = copy(p, p[skip:n])
		c.in.follow(p[:n])
		if string(c.in.answer[:]) == pingData {
			c.mu.Lock()
			c.ending = true
			c.mu.Unlock()
		}
		if n > 0 || err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && c.woken()) {
			return n, err
		}
	}
}

func (c *http2Conn) readOn(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}

func (c *http2Conn) readEnd(p []byte) int {
	if c.toRead == nil && c.in.between() {
		c.mu.Lock()
		if c.ending {
			c.toRead = []byte(end)
		}
		c.mu.Unlock()
	}
	n := copy(p, c.toRead)
	c.toRead = c.toRead[n:]
	return n
}

// woken reports whether a read has ended because of sayEnd, and undoes that.
func (c *http2Conn) woken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	woken := c.waking
	c.waking = false
	if woken {
		_ = c.Conn.SetReadDeadline(c.deadline)
	}
	return woken
}

func (c *http2Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.waking {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *http2Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *http2Conn) Close() error {
	c.table.removeHTTP2(c)
	return c.Conn.Close()
}

// frames follows a stream of frames, to know where another one may be put in.
type frames struct {
	left   int     // bytes of the frame, or of the preface, that are still to come
	header [9]byte // RFC 9113, 4.1
	have   int     // bytes of it
	seen   bool    // there was a frame: the first one has to be SETTINGS
	open   bool    // CONTINUATION has to follow
	pong   bool    // the frame answers a PING
	answer [8]byte // the last such answer
}

func (f *frames) follow(p []byte) {
	const headers, continuation, endHeaders = 0x1, 0x9, 0x4
	const ping, ack = 0x6, 0x1
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			if f.pong {
				copy(f.answer[len(f.answer)-f.left:], p[:n])
			}
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
		f.pong = h[3] == ping && h[4]&ack != 0 && f.left == len(f.answer)
		f.open = (h[3] == headers || h[3] == continuation) && h[4]&endHeaders == 0
	}
}

func (f *frames) between() bool { return f.seen && f.left == 0 && f.have == 0 && !f.open }
