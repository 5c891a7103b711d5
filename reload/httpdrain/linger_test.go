package httpdrain

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/reload"

	"golang.org/x/sys/unix"
)

const short = 20 * time.Millisecond

// A request that has begun to come when Linger ends is waited for: the first one of a
// connection, and a later one.
func TestHeaderOnItsWay(t *testing.T) {
	s := start(t, short, 1)
	first, later, idle := s.dial(), s.dial(), s.dial()
	later.ask("/")
	later.wantAnswer("fast", false)
	s.settle()
	begin := func(c *client) {
		reads := s.reads()
		io.WriteString(c, "GET / HTTP/1.1\r\nHo")
		testkit.Eventually(t, "the server has read half a header", func() bool { return s.reads() > reads })
	}
	begin(first)
	begin(later)
	s.Drain(handedOver)
	idle.wantEnd() // so Linger is over
	for _, c := range []*client{first, later} {
		io.WriteString(c, "st: x\r\n\r\n")
		c.wantAnswer("fast", true)
		c.wantEnd()
	}
}

// Nor is a request lost that a process has not had the time to look at.
func TestRequestUnread(t *testing.T) {
	arrived, look := make(chan struct{}, 1), make(chan struct{})
	s := start(t, short, 1, func(_ *http.Server, listeners []net.Listener) []net.Listener {
		return []net.Listener{&busyFor{Listener: listeners[0], arrived: arrived, look: look}}
	})
	c, idle := s.dial(), s.dial()
	c.ask("/")
	<-arrived
	s.Drain(handedOver)
	idle.wantEnd() // so Linger is over
	close(look)
	c.wantAnswer("fast", true)
}

// busyFor is a listener whose first connection reads nothing until look, and says when
// there is something to be read.
type busyFor struct {
	net.Listener
	arrived chan<- struct{}
	look    <-chan struct{}
	taken   bool
}

func (l *busyFor) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.taken {
		return c, err
	}
	l.taken = true
	return &busyConn{c.(*counted), l}, nil
}

type busyConn struct {
	*counted
	busy *busyFor
}

func (c *busyConn) Read(p []byte) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := raw.Read(func(fd uintptr) bool {
		n, _ := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		return n > 0
	}); err != nil {
		return 0, err
	}
	select {
	case c.busy.arrived <- struct{}{}:
	default:
	}
	<-c.busy.look
	return c.counted.Read(p)
}

// settle waits until the server knows that its connections are idle: their clients know
// it first.
func (s *site) settle() {
	s.t.Helper()
	testkit.Eventually(s.t, "the connections are idle", func() bool {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		for _, c := range s.conns.open {
			if c.idle.IsZero() {
				return false
			}
		}
		return true
	})
}

// reads is how many reads of the open connections have brought something.
func (s *site) reads() (n uint64) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for _, c := range s.conns.open {
		n += c.below.Reads()
	}
	return n
}

// A TLS connection that has had its handshake and no request is an idle one; one that
// has had requests is as any other.
func TestLingerOverTLS(t *testing.T) {
	s := start(t, short, 1, withTLS("http/1.1"))
	fresh, idle, begun := s.dialTLS("http/1.1"), s.dialTLS("http/1.1"), s.dialTLS("http/1.1")
	for _, c := range []*client{idle, begun} {
		c.ask("/")
		c.wantAnswer("fast", false)
	}
	s.settle()
	reads := s.reads()
	io.WriteString(begun, "GET / HTTP/1.1\r\nHo")
	testkit.Eventually(t, "the server has read half a header", func() bool { return s.reads() > reads })
	s.Drain(handedOver)
	fresh.wantEnd()
	idle.wantEnd()
	io.WriteString(begun, "st: x\r\n\r\n")
	begun.wantAnswer("fast", true)
	begun.wantEnd()
}

// A connection that a library has wrapped is seen through: half a header keeps it.
func TestLingerOfWrapped(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"embedded":   func(c net.Conn) net.Conn { return &embedding{c} },
		"by Raw":     func(c net.Conn) net.Conn { return &raw{c} },
		"both":       func(c net.Conn) net.Conn { return embedding{&raw{c}} },
		"not at all": func(c net.Conn) net.Conn { return c },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, short, 1, func(_ *http.Server, listeners []net.Listener) []net.Listener {
				return []net.Listener{wrapping{listeners[0], wrap}}
			})
			idle, begun := s.dial(), s.dial()
			for _, c := range []*client{idle, begun} {
				c.ask("/")
				c.wantAnswer("fast", false)
			}
			s.settle()
			reads := s.reads()
			io.WriteString(begun, "GET / HTTP/1.1\r\nHo")
			testkit.Eventually(t, "the server has read half a header", func() bool { return s.reads() > reads })
			s.Drain(handedOver)
			idle.wantEnd()
			io.WriteString(begun, "st: x\r\n\r\n")
			begun.wantAnswer("fast", true)
		})
	}
}

// wrapping is a listener around another one, as of golang.org/x/net/netutil.
type wrapping struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wrap(c), nil
}

type embedding struct{ net.Conn }

// raw shows the inner connection by a method, as does
// github.com/pires/go-proxyproto.
type raw struct{ inner net.Conn }

func (c *raw) Raw() net.Conn                      { return c.inner }
func (c *raw) Read(p []byte) (int, error)         { return c.inner.Read(p) }
func (c *raw) Write(p []byte) (int, error)        { return c.inner.Write(p) }
func (c *raw) Close() error                       { return c.inner.Close() }
func (c *raw) LocalAddr() net.Addr                { return c.inner.LocalAddr() }
func (c *raw) RemoteAddr() net.Addr               { return c.inner.RemoteAddr() }
func (c *raw) SetDeadline(t time.Time) error      { return c.inner.SetDeadline(t) }
func (c *raw) SetReadDeadline(t time.Time) error  { return c.inner.SetReadDeadline(t) }
func (c *raw) SetWriteDeadline(t time.Time) error { return c.inner.SetWriteDeadline(t) }

// A connection that takes its time to close, as one over TLS does whose client does
// not read, does not hold up others.
func TestClosingDoesNotBlock(t *testing.T) {
	deaf := newDeaf()
	s := start(t, short, 1, deaf.listen, withTLS("http/1.1"))
	c := s.dialTLS("http/1.1")
	c.ask("/")
	c.wantAnswer("fast", false)
	busy := s.dialTLS("http/1.1")
	busy.ask("/begun")
	<-s.inside
	close(deaf.ears)
	s.Drain(handedOver)
	<-deaf.spokenTo
	s.release <- struct{}{}
	busy.wantAnswer("begun", false)
	busy.wantEnd()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-deaf.closed
}

// deaf is a listener whose first connection blocks writes once ears is closed, until
// it is closed itself; it has no deadline.
type deaf struct {
	net.Listener
	first                  sync.Once
	ears, spokenTo, closed chan struct{}
}

func newDeaf() *deaf {
	return &deaf{ears: make(chan struct{}), spokenTo: make(chan struct{}), closed: make(chan struct{})}
}

func (d *deaf) listen(_ *http.Server, listeners []net.Listener) []net.Listener {
	d.Listener = listeners[0]
	return []net.Listener{d}
}

func (d *deaf) Accept() (c net.Conn, err error) {
	c, err = d.Listener.Accept()
	d.first.Do(func() { c = &deafConn{Conn: c, deaf: d} })
	return c, err
}

type deafConn struct {
	net.Conn
	deaf        *deaf
	spoken, end sync.Once
}

func (c *deafConn) Write(p []byte) (int, error) {
	select {
	case <-c.deaf.ears:
		c.spoken.Do(func() { close(c.deaf.spokenTo) })
		<-c.deaf.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Write(p)
	}
}

func (c *deafConn) Close() error {
	c.end.Do(func() { close(c.deaf.closed) })
	return c.Conn.Close()
}

// In a stop no successor accepts: half a second is enough.
func TestStop(t *testing.T) {
	s := start(t, forEver, 1)
	idle := s.dial()
	idle.ask("/")
	idle.wantAnswer("fast", false)
	s.Drain(stopping)
	idle.wantEnd()
}

// A generation that drains may be told to stop.
func TestStopInDrain(t *testing.T) {
	s := start(t, forEver, 1)
	idle := s.dial()
	idle.ask("/")
	idle.wantAnswer("fast", false)
	s.Drain(handedOver)
	s.Drain(stopping)
	idle.wantEnd()
}

// The end of Serve counts connections that it cuts in the midst of an answer, and
// no idle ones.
func TestMidway(t *testing.T) {
	s := start(t, forEver, 1)
	c := s.dial()
	midway := func() bool {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		for _, one := range s.conns.open {
			return one.below.(*counted).midway.Load()
		}
		return false
	}
	c.ask("/begun")
	<-s.inside
	if !midway() {
		t.Error("an answer is under way, and the connection does not know")
	}
	s.release <- struct{}{}
	c.wantAnswer("begun", false)
	testkit.Eventually(t, "the answer is over", func() bool { return !midway() })
}

// The settings of the user's server are those of the one that serves.
func TestSettings(t *testing.T) {
	states := make(chan http.ConnState, 8)
	s := start(t, forEver, 1, func(user *http.Server, listeners []net.Listener) []net.Listener {
		user.MaxHeaderBytes = 1
		user.ConnState = func(_ net.Conn, state http.ConnState) { states <- state }
		user.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Context().Value(http.ServerContextKey) != user {
				t.Error("a request is served by another server than the user's")
			}
			io.WriteString(w, "fast")
		})
		return listeners
	})
	c := s.dial()
	c.ask("/")
	c.wantAnswer("fast", false)
	if got := []http.ConnState{<-states, <-states, <-states}; got[0] != http.StateNew || got[1] != http.StateActive || got[2] != http.StateIdle {
		t.Errorf("ConnState saw %v", got)
	}
	if s.front.MaxHeaderBytes != 1 {
		t.Error("a setting is lost")
	}
}

// Handlers find the same as with net/http alone.
func TestAnswerIsWhole(t *testing.T) {
	s := start(t, forEver, 1, func(user *http.Server, listeners []net.Listener) []net.Listener {
		user.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/limited":
				if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1)); err != nil {
					http.Error(w, "too large", http.StatusRequestEntityTooLarge)
				}
			case "/hints":
				w.WriteHeader(http.StatusEarlyHints)
				w.WriteHeader(http.StatusNoContent)
			case "/nothing":
			default:
				if _, ok := w.(http1Writer); !ok {
					t.Error("an answer lacks a method")
				}
				controller := http.NewResponseController(w)
				if err := controller.SetWriteDeadline(time.Time{}); err != nil {
					t.Errorf("SetWriteDeadline: %v", err)
				}
				if err := controller.EnableFullDuplex(); err != nil {
					t.Errorf("EnableFullDuplex: %v", err)
				}
			}
		})
		return listeners
	})
	c := s.dial()
	c.ask("/")
	c.wantAnswer("", false)
	io.WriteString(c, "POST /limited HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab")
	c.wantAnswer("too large\n", true)
	c = s.dial()
	s.Drain(handedOver)
	c.ask("/hints")
	c.wantAnswer("", false)
	c.wantAnswer("", true)
	c = s.dial()
	c.ask("/nothing")
	c.wantAnswer("", true)
}

// The functions of RegisterOnShutdown are called at every drain, once, and a handler
// can wait for it; neither costs an idle connection.
func TestHooks(t *testing.T) {
	ran := make(chan struct{}, 8)
	waiting := make(chan struct{})
	s := start(t, forEver, 1, func(user *http.Server, listeners []net.Listener) []net.Listener {
		user.RegisterOnShutdown(func() { ran <- struct{}{} })
		serve := user.Handler
		user.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/events" {
				serve.ServeHTTP(w, r)
				return
			}
			waiting <- struct{}{}
			ctx := Draining(r.Context())
			<-ctx.Done()
			if at, ok := ctx.Deadline(); !ok || !at.Equal(handedOver.Deadline) || r.Context().Err() != nil {
				io.WriteString(w, "wrong: ")
			}
			fmt.Fprint(w, context.Cause(ctx))
		})
		return listeners
	})
	idle := s.dial()
	idle.ask("/")
	idle.wantAnswer("fast", false)
	for range 2 {
		events := s.dial()
		events.ask("/events")
		<-waiting
		s.Drain(handedOver)
		s.Drain(stopping)
		events.wantAnswer(reload.ErrHandedOver.Error(), true)
		<-ran
		s.Resume()
	}
	idle.ask("/")
	idle.wantAnswer("fast", false)
	select {
	case <-ran:
		t.Error("a function ran twice in a drain")
	default:
	}
	if ctx := t.Context(); Draining(ctx) != ctx {
		t.Error("a context that is no request's has a drain")
	}
}
