package intake

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/instar-project/instar/internal/testkit"
)

// gated is an Intake whose gate is closed.
func gated() *Intake {
	return New(slog.New(slog.DiscardHandler))
}

// tcpListener is a tracked listener at a gate of its own.
func tcpListener(t *testing.T) (*Listener, *gate, *flight) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gated()
	ln := s.Listener("x", inner)
	t.Cleanup(func() { ln.Close() })
	return ln, s.gate, s.flight
}

func dial(t *testing.T, ln net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// inside waits until n calls are inside the gate.
func inside(t *testing.T, g *gate, n int) {
	t.Helper()
	testkit.Eventually(t, "calls inside the gate", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.inside == n
	})
}

func TestGate(t *testing.T) {
	testkit.CheckLeaks(t)
	ln, g, f := tcpListener(t)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := ln.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
				}
				return
			}
			accepted <- c
		}
	}()

	dial(t, ln) // waits in the kernel's queue
	inside(t, g, 0)
	select {
	case <-accepted:
		t.Fatal("accepted at a gate that was never open")
	default:
	}

	g.Open()
	(<-accepted).Close()
	inside(t, g, 1)
	testkit.Within(t, "Close with a call inside", g.Close)
	inside(t, g, 0)

	dial(t, ln)
	select {
	case <-accepted:
		t.Fatal("accepted at a closed gate")
	default:
	}
	testkit.Within(t, "a second Close", g.Close)

	g.Open()
	g.Open()
	c := <-accepted
	if n := f.connections(); n != 1 {
		t.Errorf("%d connections in flight, want 1", n)
	}
	c.Close()

	ln.Close()
	if _, open := <-accepted; open {
		t.Fatal("accepted after Close")
	}
}

// The listener's Close wakes an Accept that waits for the gate to open.
func TestCloseWakesWhoWaitsAtTheGate(t *testing.T) {
	testkit.CheckLeaks(t)
	ln, _, _ := tcpListener(t)
	ended := make(chan error)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	ln.Close()
	err := <-ended
	var op *net.OpError
	if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "accept" || op.Addr != ln.Addr() {
		t.Errorf("Accept: %v", err)
	}
}

// A deadline is the application's, and holds while the gate is open: whether it
// was set before or after.
func TestApplicationDeadlines(t *testing.T) {
	testkit.CheckLeaks(t)
	ln, g, _ := tcpListener(t)
	if err := ln.SetDeadline(past); err != nil {
		t.Fatal(err)
	}
	g.Open()
	accept := func() error {
		c, err := ln.Accept()
		if err == nil {
			c.Close()
		}
		return err
	}
	testkit.Within(t, "Accept past its deadline", func() {
		if err := accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Accept: %v, want %v", err, os.ErrDeadlineExceeded)
		}
	})
	g.Close()
	g.Open()
	testkit.Within(t, "Accept past its deadline, at a gate that was closed", func() {
		if err := accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Accept: %v, want %v", err, os.ErrDeadlineExceeded)
		}
	})
	if err := ln.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	dial(t, ln)
	if err := accept(); err != nil {
		t.Errorf("Accept without a deadline: %v", err)
	}
	g.Close()
	if err := ln.SetDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	g.Open()
	dial(t, ln)
	if err := accept(); err != nil {
		t.Errorf("Accept before its deadline: %v", err)
	}
}

// However often the gate opens and closes: every connection is accepted once,
// and none while it is closed.
func TestGateUnderLoad(t *testing.T) {
	testkit.CheckLeaks(t)
	const acceptors, connections, flips = 4, 400, 200
	ln, g, f := tcpListener(t)

	var accepted atomic.Int64
	var wg sync.WaitGroup
	for range acceptors {
		wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Accept: %v", err)
					}
					return
				}
				accepted.Add(1)
				c.Write([]byte{1})
				c.Close()
			}
		})
	}

	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range connections / 4 {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				var answer [1]byte
				if n, err := c.Read(answer[:]); n != 1 {
					t.Errorf("a connection was not served: %v", err)
				}
				c.Close()
			}
		})
	}
	served := make(chan struct{})
	go func() {
		clients.Wait()
		close(served)
	}()
	for range flips {
		g.Open()
		g.Close()
		// Every accepted connection has been tracked by now, so the number can only
		// fall.
		for n := f.connections(); n > 0; runtime.Gosched() {
			next := f.connections()
			if next > n {
				t.Fatalf("%d connections in flight at a closed gate, then %d", n, next)
			}
			n = next
		}
	}
	g.Open()
	testkit.Within(t, "serving", func() { <-served })
	ln.Close()
	wg.Wait()
	if n := accepted.Load(); n != connections {
		t.Errorf("%d accepted, want %d", n, connections)
	}
	if n := f.connections(); n != 0 {
		t.Errorf("%d in flight at the end", n)
	}
}

// The application's deadline ends a wait at a closed gate, be it set before or
// meanwhile, and leaves no timer.
func TestDeadlineAtAClosedGate(t *testing.T) {
	for name, set := range map[string]func(d *door, waiting func()){
		"passed already": func(d *door, _ func()) { d.SetDeadline(past) },
		"passes":         func(d *door, _ func()) { d.SetDeadline(time.Now().Add(time.Hour)) },
		"passed, set meanwhile": func(d *door, waiting func()) {
			waiting()
			d.SetDeadline(past)
		},
		"brought forward": func(d *door, waiting func()) {
			d.SetDeadline(time.Now().Add(1000 * time.Hour))
			waiting()
			d.SetDeadline(time.Now().Add(time.Hour))
		},
		"put off": func(d *door, waiting func()) {
			d.SetDeadline(time.Now().Add(time.Minute))
			waiting()
			d.SetDeadline(time.Now().Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := gated()
				ln := s.Listener("x", &scriptedListener{})
				began := time.Now()
				ended := make(chan error)
				go func() {
					_, err := ln.Accept()
					ended <- err
				}()
				set(ln.door, synctest.Wait)
				err := <-ended
				if timeout, ok := errors.AsType[net.Error](err); !errors.Is(err, os.ErrDeadlineExceeded) || !ok || !timeout.Timeout() {
					t.Errorf("Accept: %v, want %v", err, os.ErrDeadlineExceeded)
				}
				if took := time.Since(began); took != 0 && took != time.Hour {
					t.Errorf("that took %v", took)
				}
			})
		})
	}
}

// A deadline taken away lets callers at the gate wait on.
func TestNoDeadlineAtAClosedGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gated()
		ln := s.Listener("x", &scriptedListener{})
		ln.SetDeadline(time.Now().Add(time.Minute))
		accepted := make(chan error)
		go func() {
			_, err := ln.Accept()
			accepted <- err
		}()
		synctest.Wait()
		ln.SetDeadline(time.Time{})
		time.Sleep(time.Hour)
		s.gate.Open()
		if err := <-accepted; err != nil {
			t.Error(err)
		}
	})
}
