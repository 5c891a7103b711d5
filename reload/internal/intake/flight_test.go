package intake

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestFlight(t *testing.T) {
	f := newFlight()
	if err := f.wait(t.Context()); err != nil {
		t.Fatalf("nothing in flight: %v", err)
	}
	f.begin()
	a, b := net.Pipe()
	ca, cb := f.track(a), f.track(b)
	landed := make(chan error, 2)
	for range cap(landed) {
		go func() { landed <- f.wait(t.Context()) }()
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v, want %v", err, context.Canceled)
	}

	ca.Close()
	ca.Close() // counts once
	if n := f.connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	f.done()
	select {
	case err := <-landed:
		t.Fatalf("landed with a connection in flight: %v", err)
	default:
	}
	cb.Close()
	for range cap(landed) {
		if err := <-landed; err != nil {
			t.Error(err)
		}
	}

	// It can take off again.
	f.begin()
	if err := f.wait(gone); err == nil {
		t.Error("wait returned with work in flight")
	}
	f.done()
	if err := f.wait(gone); err != nil {
		t.Errorf("wait: %v", err)
	}
}

// Cut connections are listed, the oldest first, but not without end.
func TestEnds(t *testing.T) {
	f := newFlight()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer f.track(c).Close()
	path := filepath.Join(t.TempDir(), "s")
	unixListener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer unixListener.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := unixListener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer f.track(accepted).Close()
	want := []string{ln.Addr().String(), "a client of " + path}
	for most := range 4 {
		if got := f.ends(most); !slices.Equal(got, want[:min(most, len(want))]) {
			t.Errorf("%d at most: %q, want of %q", most, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	f := newFlight()
	var ends []net.Conn
	for range 3 {
		ours, theirs := net.Pipe()
		f.track(ours)
		ends = append(ends, theirs)
	}
	if n := f.cut(); n != 3 {
		t.Errorf("cut %d, want 3", n)
	}
	for _, c := range ends {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the other end: %v, want %v", err, io.EOF)
		}
	}
	if n := f.cut(); n != 0 || f.connections() != 0 {
		t.Errorf("then %d", n)
	}
}

// An answer that is cut in its midst does not look whole; an idle connection just
// ends.
func TestCutMidway(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f := newFlight()
	for want, midway := range map[error]bool{unix.ECONNRESET: true, io.EOF: false} {
		client := dial(t, ln)
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn := f.track(c).(interface{ SetMidway(bool) })
		conn.SetMidway(true)
		conn.SetMidway(midway)
		f.cut()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, want) {
			t.Errorf("midway %v: the client reads %v, want %v", midway, err, want)
		}
	}
}

// A connection that takes its time to close holds up neither the others nor the end.
func TestCutWaitsForNobody(t *testing.T) {
	f := newFlight()
	stuck, _ := net.Pipe()
	closing := make(chan struct{})
	defer close(closing)
	f.track(slowToClose{stuck, closing})
	ours, theirs := net.Pipe()
	f.track(ours)
	if n := f.cut(); n != 2 {
		t.Errorf("cut %d, want 2", n)
	}
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the other end: %v, want %v", err, io.EOF)
	}
}

type slowToClose struct {
	net.Conn
	closing chan struct{}
}

func (c slowToClose) Close() error {
	<-c.closing
	return c.Conn.Close()
}

func TestReadsAreCounted(t *testing.T) {
	ours, theirs := net.Pipe()
	c := newFlight().track(ours)
	defer c.Close()
	go func() {
		theirs.Write([]byte("ab"))
		theirs.Close()
	}()
	for err := error(nil); err == nil; {
		_, err = c.Read(make([]byte, 1))
	}
	if n := c.(interface{ Reads() uint64 }).Reads(); n != 2 {
		t.Errorf("%d reads have brought something, want 2", n)
	}
}

// timedConn notes when it is closed.
type timedConn struct {
	net.Conn
	f      *flown
	flight *flight
	closed time.Time
}

func (c *timedConn) Close() error {
	c.closed = time.Now()
	c.flight.remove(c.f)
	return nil
}

// Connections that are cut at the end of a drain are cut spread over a window, busy ones
// last, and the very last is left for the end.
func TestThin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, window = 100, 10 * time.Second
		f := newFlight()
		var conns []*timedConn
		for i := range n {
			c := &timedConn{f: new(flown), flight: f}
			c.f.conn = c
			c.f.midway.Store(i < 10)
			f.add(c.f)
			conns = append(conns, c)
		}
		began := time.Now()
		closed := f.thin(t.Context(), began.Add(window))
		synctest.Wait()
		if closed != n-1 || f.connections() != 1 {
			t.Errorf("%d were closed, and %d are left", closed, f.connections())
		}
		perSecond := make(map[int]int)
		for i, c := range conns {
			if c.closed.IsZero() {
				if i != 9 {
					t.Errorf("connection %d is left, want the youngest busy one", i)
				}
				continue
			}
			perSecond[int(c.closed.Sub(began)/time.Second)]++
			if busy := i < 10; busy != (c.closed.Sub(began) > window*9/10) {
				t.Errorf("connection %d, busy: %v, was closed after %v", i, busy, c.closed.Sub(began))
			}
		}
		for second := range 10 {
			if got := perSecond[second]; got < 9 || got > 11 {
				t.Errorf("%d connections were closed in second %d of the window, want a tenth", got, second)
			}
		}
	})
}

// A take back ends it.
func TestThinEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight()
		for range 10 {
			c := &timedConn{f: new(flown), flight: f}
			c.f.conn = c
			f.add(c.f)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+1)
		defer cancel()
		closed := f.thin(ctx, time.Now().Add(10*time.Second))
		synctest.Wait()
		if closed != 5 || f.connections() != 5 {
			t.Errorf("%d were closed, and %d are left", closed, f.connections())
		}
	})
}
