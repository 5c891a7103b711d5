package reload

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
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

func TestBegin(t *testing.T) {
	s := &Service{flight: newFlight()}
	first, second := s.Begin(), s.Begin()
	first()
	first() // counts once
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.flight.wait(gone); err == nil {
		t.Error("the second piece of work is not in flight")
	}
	second()
	if err := s.flight.wait(gone); err != nil {
		t.Error(err)
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
