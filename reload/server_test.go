package reload

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/testkit"
)

// Each connection is served in a goroutine of its own, and closed after that.
func TestStreams(t *testing.T) {
	testkit.CheckLeaks(t)
	ln, svc := tcpListener(t)
	svc.intake.Open()
	s := Streams(ln, func(_ context.Context, c net.Conn) { io.WriteString(c, "served") })
	ended := make(chan error)
	go func() { ended <- s.Serve() }()
	if answer, err := io.ReadAll(dial(t, ln.Addr())); string(answer) != "served" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := svc.Connections(); n != 0 {
		t.Errorf("%d connections in flight", n)
	}
}

func TestPackets(t *testing.T) {
	testkit.CheckLeaks(t)
	inner, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gated()
	pc := s.intake.PacketConn("x", inner)
	client := dial(t, inner.LocalAddr())
	server := Packets(pc, func(datagram []byte, _ net.Addr) []byte {
		if string(datagram) == "silence" {
			return nil
		}
		return append([]byte("re: "), datagram...)
	})
	ended := make(chan error)
	go func() { ended <- server.Serve() }()
	s.intake.Open()
	for _, question := range []string{"silence", "hello"} {
		if _, err := client.Write([]byte(question)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	if n, err := client.Read(buf); err != nil || string(buf[:n]) != "re: hello" {
		t.Errorf("answer %q, %v", buf[:n], err)
	}
	s.intake.Close()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if !landed(s) {
		t.Error("in flight at the end")
	}
}

// A server is told a stop from a handover, at the beginning of the drain or in it.
func TestReasonOfADrain(t *testing.T) {
	for name, test := range map[string]struct {
		begin, then generation.Phase
		want        string
	}{
		"a handover":          {generation.Draining, generation.Draining, "handed over "},
		"a stop":              {generation.Stopping, generation.Stopping, "stopping "},
		"a stop in the drain": {generation.Draining, generation.Stopping, "handed over stopping "},
	} {
		t.Run(name, func(t *testing.T) {
			s := gated()
			s.config = Config{DrainTimeout: time.Hour}
			s.shell.init()
			defer close(s.done)
			told := &hearing{}
			s.servers = []*serving{newServing(s.log, 0, told)}
			s.state.Phase = test.begin
			s.beginDrain(test.begin == generation.Stopping)
			if test.then != test.begin {
				s.step(generation.Event{Kind: generation.StopAsked})
			}
			<-s.servers[0].last
			if told.told != test.want {
				t.Errorf("it was told %q, want %q", told.told, test.want)
			}
			for _, at := range told.deadlines {
				if at != s.drain.deadline || time.Until(at) <= 0 {
					t.Errorf("it was told of the deadline %v, want %v", at, s.drain.deadline)
				}
			}
		})
	}
}

type hearing struct {
	failingServer
	told      string
	deadlines []time.Time
}

func (s *hearing) Drain(d Drain) {
	s.told += map[error]string{ErrHandedOver: "handed over ", ErrStopping: "stopping "}[d.Reason]
	s.deadlines = append(s.deadlines, d.Deadline)
}
