package load

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// Far is dial to an endpoint that is half of roundTrip away, each way. The connections
// have no deadlines.
func Far(dial DialFunc, roundTrip time.Duration) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		f := &farConn{Conn: conn, delay: roundTrip / 2, out: newRoad(), in: newRoad()}
		go f.send()
		go f.receive()
		return f, nil
	}
}

// farConn is a connection over two roads.
type farConn struct {
	net.Conn
	delay   time.Duration
	out, in *road
	rest    []byte // arrived, and not read
	closing sync.Once
}

// A road holds the packets on their way.
type road struct {
	packets chan packet
	closed  chan struct{} // its end is not read any more
	close   func()
}

// packet arrives at a time: it is bytes, or the end.
type packet struct {
	at    time.Time
	bytes []byte
	err   error
}

func newRoad() *road {
	r := &road{packets: make(chan packet, 1024), closed: make(chan struct{})}
	r.close = sync.OnceFunc(func() { close(r.closed) })
	return r
}

func (r *road) put(p packet) error {
	select {
	case r.packets <- p:
		return nil
	case <-r.closed:
		return net.ErrClosed
	}
}

func (r *road) take() packet {
	select {
	case p := <-r.packets:
		time.Sleep(time.Until(p.at))
		return p
	case <-r.closed:
		return packet{err: net.ErrClosed}
	}
}

func (c *farConn) send() {
	for {
		p := c.out.take()
		if p.err == nil {
			_, p.err = c.Conn.Write(p.bytes)
		}
		if p.err != nil {
			c.out.close()
			c.Conn.Close()
			return
		}
	}
}

func (c *farConn) receive() {
	for {
		buf := make([]byte, 4<<10)
		n, err := c.Conn.Read(buf)
		at := time.Now().Add(c.delay)
		if n > 0 && c.in.put(packet{at: at, bytes: buf[:n]}) != nil {
			return
		}
		if err != nil {
			_ = c.in.put(packet{at: at, err: err})
			return
		}
	}
}

func (c *farConn) Write(p []byte) (int, error) {
	if err := c.out.put(packet{at: time.Now().Add(c.delay), bytes: bytes.Clone(p)}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *farConn) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		arrived := c.in.take()
		if arrived.err != nil {
			c.in.close()
			return 0, arrived.err
		}
		c.rest = arrived.bytes
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Close ends the connection here at once, and at the other end in time.
func (c *farConn) Close() error {
	c.in.close()
	c.closing.Do(func() { _ = c.out.put(packet{at: time.Now().Add(c.delay), err: net.ErrClosed}) })
	return nil
}

func (c *farConn) SetDeadline(time.Time) error      { return nil }
func (c *farConn) SetReadDeadline(time.Time) error  { return nil }
func (c *farConn) SetWriteDeadline(time.Time) error { return nil }
