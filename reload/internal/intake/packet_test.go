package intake

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// udpSocket is a gated UDP socket and a client connected to it.
func udpSocket(t *testing.T) (*udpConn, *Intake, net.Conn) {
	t.Helper()
	inner, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gated()
	pc := s.PacketConn("x", inner).(*udpConn)
	t.Cleanup(func() { pc.Close() })
	client, err := net.Dial("udp", inner.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return pc, s, client
}

// landed reports whether nothing is in flight.
func landed(f *flight) bool {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	return f.wait(gone) == nil
}

func TestEveryReadingMethodWaitsAtTheGate(t *testing.T) {
	unixgram := func(t *testing.T) (*unixgramConn, *Intake, net.Conn) {
		inner, err := net.ListenPacket("unixgram", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		s := gated()
		pc := s.PacketConn("x", inner).(*unixgramConn)
		t.Cleanup(func() { pc.Close() })
		client, err := net.Dial("unixgram", inner.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		return pc, s, client
	}
	udp := map[string]func(c *udpConn, b []byte) (int, error){
		"Read":                func(c *udpConn, b []byte) (int, error) { return c.Read(b) },
		"ReadFrom":            func(c *udpConn, b []byte) (int, error) { n, _, err := c.ReadFrom(b); return n, err },
		"ReadFromUDP":         func(c *udpConn, b []byte) (int, error) { n, _, err := c.ReadFromUDP(b); return n, err },
		"ReadFromUDPAddrPort": func(c *udpConn, b []byte) (int, error) { n, _, err := c.ReadFromUDPAddrPort(b); return n, err },
		"ReadMsgUDP":          func(c *udpConn, b []byte) (int, error) { n, _, _, _, err := c.ReadMsgUDP(b, nil); return n, err },
		"ReadMsgUDPAddrPort": func(c *udpConn, b []byte) (int, error) {
			n, _, _, _, err := c.ReadMsgUDPAddrPort(b, nil)
			return n, err
		},
		"SyscallConn": func(c *udpConn, b []byte) (int, error) { return readRaw(c, b) },
	}
	for name, read := range udp {
		t.Run("udp "+name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			pc, s, client := udpSocket(t)
			testReader(t, s, client, func(b []byte) (int, error) { return read(pc, b) })
		})
	}
	unixDatagrams := map[string]func(c *unixgramConn, b []byte) (int, error){
		"Read":         func(c *unixgramConn, b []byte) (int, error) { return c.Read(b) },
		"ReadFrom":     func(c *unixgramConn, b []byte) (int, error) { n, _, err := c.ReadFrom(b); return n, err },
		"ReadFromUnix": func(c *unixgramConn, b []byte) (int, error) { n, _, err := c.ReadFromUnix(b); return n, err },
		"ReadMsgUnix":  func(c *unixgramConn, b []byte) (int, error) { n, _, _, _, err := c.ReadMsgUnix(b, nil); return n, err },
		"SyscallConn":  func(c *unixgramConn, b []byte) (int, error) { return readRaw(c, b) },
	}
	for name, read := range unixDatagrams {
		t.Run("unixgram "+name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			pc, s, client := unixgram(t)
			testReader(t, s, client, func(b []byte) (int, error) { return read(pc, b) })
		})
	}
}

// readRaw receives as golang.org/x/net does.
func readRaw(c syscall.Conn, b []byte) (n int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, _, failed = unix.Recvfrom(int(fd), b, 0)
		return failed != unix.EAGAIN
	})
	return n, errors.Join(err, failed)
}

func testReader(t *testing.T, s *Intake, client net.Conn, read func([]byte) (int, error)) {
	t.Helper()
	got := make(chan string)
	comeBack := make(chan struct{})
	go func() {
		defer close(got)
		buf := make([]byte, 16)
		for range 2 {
			n, err := read(buf)
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			got <- string(buf[:n])
			<-comeBack
		}
	}()
	send := func(text string) {
		if _, err := client.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}
	s.gate.Open()
	inside(t, s.gate, 1)
	testkit.Within(t, "Close with a reader inside", s.gate.Close)
	send("one")
	select {
	case <-got:
		t.Fatal("received at a closed gate")
	default:
	}
	s.gate.Open()
	if text := <-got; text != "one" {
		t.Errorf("received %q", text)
	}
	if landed(s.flight) {
		t.Error("the datagram that is being answered is not in flight")
	}
	testkit.Within(t, "Close with a datagram in flight", s.gate.Close)
	comeBack <- struct{}{}
	testkit.Eventually(t, "its reader has come back", func() bool { return landed(s.flight) })
	send("two")
	s.gate.Open()
	if text := <-got; text != "two" {
		t.Errorf("received %q", text)
	}
	comeBack <- struct{}{}
	<-got
}

// An unread datagram goes to the generation that reads.
func TestClosingLetsGoOfWhatIsHeld(t *testing.T) {
	testkit.CheckLeaks(t)
	pc, s, client := udpSocket(t)
	s.gate.Open()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pc.ReadFrom(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if landed(s.flight) {
		t.Error("nothing in flight")
	}
	pc.Close() // its reader never comes back
	if !landed(s.flight) {
		t.Error("in flight after Close")
	}
	if _, _, err := pc.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom after Close: %v", err)
	}
}

// The application's deadline for reading holds while the gate is open, and a
// deadline of its own for writing is not touched.
func TestPacketDeadlines(t *testing.T) {
	testkit.CheckLeaks(t)
	pc, s, client := udpSocket(t)
	read := func() error {
		_, _, err := pc.ReadFrom(make([]byte, 8))
		return err
	}
	for _, set := range []struct {
		name string
		call func(time.Time) error
	}{
		{"SetReadDeadline", pc.SetReadDeadline},
		{"SetDeadline", pc.SetDeadline},
	} {
		if err := set.call(past); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s.gate.Open()
			testkit.Within(t, "a read past the deadline of "+set.name, func() {
				if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: read: %v", set.name, err)
				}
			})
			s.gate.Close()
		}
		if err := set.call(time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.gate.Open()
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil {
			t.Errorf("%s: read without a deadline: %v", set.name, err)
		}
	}
	if err := pc.SetDeadline(past); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.WriteTo([]byte("x"), client.LocalAddr()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("SetDeadline: write: %v", err)
	}
}

// A reader's deadline that is set at the wrong moment must not keep the gate
// from closing.
func TestReadDeadlineDoesNotHoldTheGate(t *testing.T) {
	testkit.CheckLeaks(t)
	pc, s, _ := udpSocket(t)
	s.gate.Open()
	go pc.ReadFrom(make([]byte, 8)) // ends with the socket
	inside(t, s.gate, 1)
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				pc.SetReadDeadline(time.Time{})
			}
		}
	}()
	testkit.Within(t, "Close", func() {
		for range 100 {
			s.gate.Close()
			s.gate.Open()
		}
	})
	close(stop)
	<-stopped
	pc.Close()
}

// A reader at the gate learns that its socket is closed.
func TestCloseOfAPacketConnAtTheGate(t *testing.T) {
	testkit.CheckLeaks(t)
	pc, _, _ := udpSocket(t)
	ended := make(chan error)
	go func() {
		_, err := readRaw(pc, make([]byte, 8))
		ended <- err
	}()
	pc.Close()
	testkit.Within(t, "the end of a read", func() {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v, want %v", err, net.ErrClosed)
		}
	})
}

// A library that asks for the type itself finds it.
func TestNetConnOfAPacketConn(t *testing.T) {
	pc, _, _ := udpSocket(t)
	if _, ok := pc.NetConn().(*net.UDPConn); !ok {
		t.Errorf("it is a %T", pc.NetConn())
	}
}
