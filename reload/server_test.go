package reload

import (
	"io"
	"net"
	"testing"
)

// Each connection is served in a goroutine of its own, and closed after that.
func TestStreams(t *testing.T) {
	checkLeaks(t)
	ln, g, f := tcpListener(t)
	g.Open()
	s := Streams(ln, func(c net.Conn) { io.WriteString(c, "served") })
	ended := make(chan error)
	go func() { ended <- s.Serve() }()
	if answer, err := io.ReadAll(dial(t, ln)); string(answer) != "served" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := f.connections(); n != 0 {
		t.Errorf("%d connections in flight", n)
	}
}

func TestPackets(t *testing.T) {
	checkLeaks(t)
	pc, s, client := udpSocket(t)
	server := Packets(pc, func(datagram []byte, _ net.Addr) []byte {
		if string(datagram) == "silence" {
			return nil
		}
		return append([]byte("re: "), datagram...)
	})
	ended := make(chan error)
	go func() { ended <- server.Serve() }()
	s.gate.Open()
	for _, question := range []string{"silence", "hello"} {
		if _, err := client.Write([]byte(question)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	if n, err := client.Read(buf); err != nil || string(buf[:n]) != "re: hello" {
		t.Errorf("answer %q, %v", buf[:n], err)
	}
	s.gate.Close()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if !landed(s.flight) {
		t.Error("in flight at the end")
	}
}
