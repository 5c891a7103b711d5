package httpdrain

import (
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// table has the connections of a server: by the net.Conn that net/http knows, and
// those of HTTP/2 once more, and the ones on which a handler serves that.
type table struct {
	mu    sync.Mutex
	open  map[net.Conn]*conn
	http2 map[*http2Conn]struct{}
}

func newTable() table {
	return table{open: make(map[net.Conn]*conn), http2: make(map[*http2Conn]struct{})}
}

// conn is an open connection in the table.
type conn struct {
	below   below
	wrapped bool      // there is something around below: TLS, the PROXY protocol
	tls     *tls.Conn // nil: plain
	asked   bool      // it has had a request
	http2   bool      // it ends by GOAWAY
	overdue bool      // it was idle for too long
	idle    time.Time // since when it has no request under way; zero: it has one
	reads   uint64    // of below, when it became idle
}

// below are the methods of a connection of package reload, found under any
// wrappers.
type below interface {
	Reads() uint64
	SetMidway(bool)
}

// find looks for a connection that implements T, under any wrappers.
func find[T any](c net.Conn) (found T, ok bool) {
	for c != nil {
		if found, ok = c.(T); ok {
			return found, true
		}
		c = inside(c)
	}
	return found, false
}

// inside returns the connection that c wraps; nil: none that it shows. Libraries around
// listeners wrap connections: most embed a net.Conn, and some offer it by a method.
func inside(c net.Conn) net.Conn {
	switch c := c.(type) {
	case interface{ NetConn() net.Conn }: // as crypto/tls
		return c.NetConn()
	case interface{ Raw() net.Conn }: // as github.com/pires/go-proxyproto
		return c.Raw()
	}
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	field, ok := v.Type().FieldByName("Conn")
	if !ok || !field.Anonymous || len(field.Index) > 1 {
		return nil
	}
	embedded, _ := v.FieldByIndex(field.Index).Interface().(net.Conn)
	return embedded
}

// nothing is below a connection that is from elsewhere.
type nothing struct{}

func (nothing) Reads() uint64  { return 0 }
func (nothing) SetMidway(bool) {}

// note is http.Server.ConnState.
func (t *table) note(nc net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.open[nc]
	switch {
	case state == http.StateNew:
		c := &conn{below: nothing{}, idle: time.Now()}
		if found, ok := find[below](nc); ok {
			c.below = found
			_, bare := nc.(below)
			c.wrapped = !bare
		}
		c.tls, _ = nc.(*tls.Conn)
		t.open[nc] = c
	case c == nil: // net/http may say twice that it is closed
	case state == http.StateClosed:
		delete(t.open, nc)
	case state == http.StateHijacked:
		c.below.SetMidway(false)
		delete(t.open, nc)
	case c.http2:
	case state == http.StateActive:
		c.asked, c.idle = true, time.Time{}
		c.below.SetMidway(true)
	case state == http.StateIdle:
		c.idle, c.reads = time.Now(), c.below.Reads()
		c.below.SetMidway(false)
	}
}

// setHTTP2 notes that a new connection speaks HTTP/2.
func (t *table) setHTTP2(nc net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.open[nc]; c != nil {
		c.http2 = true
	}
}

// overdue returns the connections that have been idle for linger, counted from began at
// the earliest, each once, and says when to look again.
func (t *table) overdue(began time.Time, linger time.Duration) (overdue []net.Conn, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = linger
	for nc, c := range t.open {
		if c.http2 || c.overdue || c.idle.IsZero() || c.begunRequest() {
			continue
		}
		since := c.idle
		if since.Before(began) {
			since = began
		}
		if left := linger - time.Since(since); left > 0 {
			next = min(next, left)
			continue
		}
		if unread(nc) {
			continue // a busy process has yet to look at it
		}
		c.overdue = true
		overdue = append(overdue, nc)
	}
	return overdue, next
}

// begunRequest reports whether part of a request has come since the connection became
// idle: net/http says so only when it has a whole header.
func (c *conn) begunRequest() bool {
	reads := c.below.Reads()
	if reads == c.reads {
		return false
	}
	if !c.wrapped || c.asked {
		return true
	}
	// It may be a handshake, or the header of the PROXY protocol. A client that has sent
	// one has as long as any other.
	c.idle, c.reads = time.Now(), reads
	return false
}

// unread reports whether the kernel has something that the client has sent.
func unread(nc net.Conn) bool {
	socket, ok := find[syscall.Conn](nc)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return err == nil && n > 0
}

// cut closes the TLS connections from below. By itself each would try for 5 s to tell a
// client that does not read, one after the other.
func (t *table) cut() {
	t.mu.Lock()
	var open []net.Conn
	for _, c := range t.open {
		if c.tls != nil {
			open = append(open, c.tls.NetConn())
		}
	}
	t.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

func (t *table) addHTTP2(c *http2Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.http2[c] = struct{}{}
}

func (t *table) removeHTTP2(c *http2Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.http2, c)
}

// findHTTP2 returns the http2Conn around nc; nil: there is none.
func (t *table) findHTTP2(nc net.Conn) *http2Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.http2 {
		if c.Conn == nc {
			return c
		}
	}
	return nil
}

func (t *table) allHTTP2() []*http2Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.http2))
}
