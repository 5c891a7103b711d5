package httpdrain

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"
)

// limit is longer than any machine needs: no test measures time with it.
const limit = 10 * time.Second

// site is a server that drains, on sockets of its own.
type site struct {
	*Server
	t         *testing.T
	user      *http.Server
	listeners []net.Listener
	inside    chan struct{} // a request to /slow is under way
	release   chan struct{} // and goes on
	served    chan error
}

// setting changes the server before it serves, and its listeners.
type setting func(*http.Server, []net.Listener) []net.Listener

func start(t *testing.T, linger time.Duration, sockets int, settings ...setting) *site {
	t.Helper()
	routines := runtime.NumGoroutine()
	s := &site{t: t, inside: make(chan struct{}), release: make(chan struct{}), served: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fast") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		s.inside <- struct{}{}
		<-s.release
		io.WriteString(w, "slow")
	})
	mux.HandleFunc("/begun", func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).Flush()
		s.inside <- struct{}{}
		<-s.release
		io.WriteString(w, "begun")
	})
	for range sockets {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.listeners = append(s.listeners, counting{ln})
	}
	s.user = &http.Server{Handler: mux}
	listeners := s.listeners
	for _, setUp := range settings {
		listeners = setUp(s.user, listeners)
	}
	s.Server = New(s.user, listeners...)
	s.Linger = linger
	go func() { s.served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
		if err := <-s.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		for deadline := time.Now().Add(limit); runtime.NumGoroutine() > routines; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines, %d at the start", runtime.NumGoroutine(), routines)
			}
		}
	})
	return s
}

// client is one connection, which nothing closes or opens behind the test's back.
type client struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (s *site) dial() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.listeners[0].Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(limit))
	return &client{c, s.t, bufio.NewReader(c)}
}

func (c *client) ask(path string) {
	c.t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		c.t.Fatalf("request: %v", err)
	}
}

// wantAnswer reads one answer, which says whether the connection ends with it.
func (c *client) wantAnswer(body string, last bool) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil || string(got) != body {
		c.t.Errorf("answer %q, %v, want %q", got, err, body)
	}
	if r.Close != last {
		c.t.Errorf("Connection: close: %v, want %v", r.Close, last)
	}
}

func (c *client) wantEnd() {
	c.t.Helper()
	if _, err := c.in.ReadByte(); err != io.EOF {
		c.t.Errorf("read: %v, want %v", err, io.EOF)
	}
}

const forEver, notAtAll = time.Hour, time.Millisecond

var (
	handedOver = reload.Drain{Reason: reload.ErrHandedOver, Deadline: time.Now().Add(forEver)}
	stopping   = reload.Drain{Reason: reload.ErrStopping, Deadline: handedOver.Deadline}
)

// A client is told to go, with the answer to a request that it may send yet.
func TestDrainTellsTheClient(t *testing.T) {
	s := start(t, forEver, 1)
	idle, fresh := s.dial(), s.dial()
	idle.ask("/")
	idle.wantAnswer("fast", false)
	s.Drain(handedOver)
	idle.ask("/")
	idle.wantAnswer("fast", true)
	idle.wantEnd()
	// So is one that had connected and not asked yet.
	fresh.ask("/")
	fresh.wantAnswer("fast", true)
	fresh.wantEnd()
}

// A request that is under way when the drain begins is answered, and its answer says
// close if its header is still to be written.
func TestRequestUnderWayIsAnswered(t *testing.T) {
	for name, linger := range map[string]time.Duration{"within Linger": forEver, "after Linger": notAtAll} {
		t.Run(name, func(t *testing.T) {
			s := start(t, linger, 1)
			idle, busy := s.dial(), s.dial()
			idle.ask("/")
			idle.wantAnswer("fast", false)
			busy.ask("/slow")
			<-s.inside
			s.Drain(handedOver)
			if linger == notAtAll {
				idle.wantEnd()
			}
			s.release <- struct{}{}
			busy.wantAnswer("slow", true)
			busy.wantEnd()
		})
	}
}

// An answer whose header was written before the drain says nothing: its connection
// lingers in turn.
func TestAnswerUnderWayLingers(t *testing.T) {
	for name, linger := range map[string]time.Duration{"within Linger": forEver, "after Linger": notAtAll} {
		t.Run(name, func(t *testing.T) {
			s := start(t, linger, 1)
			c := s.dial()
			c.ask("/begun")
			<-s.inside
			s.Drain(handedOver)
			s.release <- struct{}{}
			c.wantAnswer("begun", false)
			if linger == notAtAll {
				c.wantEnd()
				return
			}
			c.ask("/")
			c.wantAnswer("fast", true)
			c.wantEnd()
		})
	}
}

func TestResume(t *testing.T) {
	for name, linger := range map[string]time.Duration{"within Linger": forEver, "after Linger": notAtAll} {
		t.Run(name, func(t *testing.T) {
			s := start(t, linger, 1)
			c := s.dial()
			c.ask("/")
			c.wantAnswer("fast", false)
			s.Drain(handedOver)
			if linger == notAtAll {
				c.wantEnd()
				c = s.dial()
			}
			s.Resume()
			for range 2 {
				c.ask("/")
				c.wantAnswer("fast", false)
			}
			// It can drain again.
			s.Drain(handedOver)
			if linger == notAtAll {
				c.wantEnd()
				return
			}
			c.ask("/")
			c.wantAnswer("fast", true)
			c.wantEnd()
		})
	}
}

func TestCloseEndsWhatIsInFlight(t *testing.T) {
	s := start(t, forEver, 2)
	c := s.dial()
	c.ask("/")
	c.wantAnswer("fast", false)
	s.Drain(handedOver)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	c.wantEnd()
}

func TestServeFailsAsAWhole(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	s := New(&http.Server{}, ln, brokenListener{ln, broken})
	if err := s.Serve(); !errors.Is(err, broken) {
		t.Errorf("Serve: %v, want %v", err, broken)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the other listener: %v, want %v", err, net.ErrClosed)
	}
}

type brokenListener struct {
	net.Listener
	err error
}

func (l brokenListener) Accept() (net.Conn, error) { return nil, l.err }
func (l brokenListener) Close() error              { return nil }

// counting makes connections with the methods of those of package reload.
type counting struct{ net.Listener }

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{TCPConn: c.(*net.TCPConn)}, nil
}

type counted struct {
	*net.TCPConn
	reads  atomic.Uint64
	midway atomic.Bool
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	return n, err
}

func (c *counted) Reads() uint64         { return c.reads.Load() }
func (c *counted) SetMidway(midway bool) { c.midway.Store(midway) }
