package intake

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// deadlineListener is the type of every listener of package activation.
type deadlineListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// A Listener accepts while the gate is open, and tracks the connections it accepts.
type Listener struct {
	deadlineListener
	door *door
	in   *Intake
}

// Accept waits for a connection, and for the gate to be open.
func (l *Listener) Accept() (net.Conn, error) { return l.AcceptWith(func(net.Conn) {}) }

// AcceptWith is Accept that calls first with the connection before the gate can close.
func (l *Listener) AcceptWith(first func(net.Conn)) (c net.Conn, err error) {
	err = l.door.through(l.in.log, func() (err error) {
		if c, err = l.deadlineListener.Accept(); err == nil {
			// Inside: a gate that closes finds the connection in flight.
			c = l.in.flight.track(c)
			first(c)
		}
		return err
	})
	return c, err
}

// SetDeadline ends Accept in due time, also where that waits for this generation to be
// the one that accepts.
func (l *Listener) SetDeadline(t time.Time) error { return l.door.SetDeadline(t) }

// NetListener returns the listener of package net underneath. Accept of that does not wait
// for the gate, and what it accepts is not in flight.
func (l *Listener) NetListener() net.Listener { return l.deadlineListener }

// Close closes this listener; the socket stays open, in systemd, and in this
// process for the successor.
func (l *Listener) Close() error {
	l.door.close()
	return l.deadlineListener.Close()
}

// The connections keep every method of the type they wrap: package net and net/http look
// for ReadFrom and WriteTo to splice(2) and sendfile(2). A library that asks for the
// type itself finds it by NetConn, as with a tls.Conn.
type (
	tcpConn struct {
		*net.TCPConn
		tracked
	}
	unixConn struct {
		*net.UnixConn
		tracked
	}
	otherConn struct {
		net.Conn
		tracked
	}
)

type tracked struct {
	flown  flown
	flight *flight
	reads  atomic.Uint64
}

func (f *flight) track(c net.Conn) net.Conn {
	var t *tracked
	var wrapped net.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		w := &tcpConn{TCPConn: c}
		t, wrapped = &w.tracked, w
	case *net.UnixConn:
		w := &unixConn{UnixConn: c}
		t, wrapped = &w.tracked, w
	default:
		w := &otherConn{Conn: c}
		t, wrapped = &w.tracked, w
	}
	t.flight, t.flown.conn = f, wrapped
	f.add(&t.flown)
	return wrapped
}

// close takes the connection out of flight after it is closed: a generation
// that ends because of it leaves nothing unsent.
func (t *tracked) close(c io.Closer) error {
	err := c.Close()
	t.flight.remove(&t.flown)
	return err
}

func (c *tcpConn) Close() error   { return c.tracked.close(c.TCPConn) }
func (c *unixConn) Close() error  { return c.tracked.close(c.UnixConn) }
func (c *otherConn) Close() error { return c.tracked.close(c.Conn) }

func (c *tcpConn) NetConn() net.Conn   { return c.TCPConn }
func (c *unixConn) NetConn() net.Conn  { return c.UnixConn }
func (c *otherConn) NetConn() net.Conn { return c.Conn }

// Methods by which package httpdrain asks and tells about a connection.

// Reads is how many reads of the connection have brought something.
func (t *tracked) Reads() uint64 { return t.reads.Load() }

// SetMidway says whether an answer is under way. A connection that is cut then is
// reset: to a client that reads until the end, a FIN would make half an answer whole.
func (t *tracked) SetMidway(midway bool) { t.flown.midway.Store(midway) }

func (c *tcpConn) Read(p []byte) (int, error)   { return c.brought(c.TCPConn.Read(p)) }
func (c *unixConn) Read(p []byte) (int, error)  { return c.brought(c.UnixConn.Read(p)) }
func (c *otherConn) Read(p []byte) (int, error) { return c.brought(c.Conn.Read(p)) }

// brought counts the results of Read, and returns them.
func (t *tracked) brought(n int, err error) (int, error) {
	if n > 0 {
		t.reads.Add(1)
	}
	return n, err
}
