package reload

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/instar-project/instar/reload/internal/intake"
)

// gated is a service that has an intake, which is closed, and little else.
func gated() *Service {
	log := slog.New(slog.DiscardHandler)
	return &Service{keeping: &keeping{}, intake: intake.New(log), log: log}
}

// landed reports whether nothing is in flight.
func landed(s *Service) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.intake.Landed(ctx) == nil
}

// tcpListener is a listener at the gate of a service of its own.
func tcpListener(t *testing.T) (net.Listener, *Service) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gated()
	ln := s.intake.Listener("x", inner)
	t.Cleanup(func() { ln.Close() })
	return ln, s
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestBegin(t *testing.T) {
	s := gated()
	first, second := s.Begin(), s.Begin()
	first()
	first() // counts once
	if landed(s) {
		t.Error("the second piece of work is not in flight")
	}
	second()
	if !landed(s) {
		t.Error("work is in flight that has ended")
	}
}
