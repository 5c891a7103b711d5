package reload

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// scriptedListener accepts what it was given, one by one.
type scriptedListener struct {
	net.Listener
	script []func() (net.Conn, error)
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	next := l.script[0]
	l.script = l.script[1:]
	return next()
}

func failsWith(err error) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
}

// A service at the limit of its descriptors goes on serving those it has.
func TestStreamsOutlastScarcity(t *testing.T) {
	ours, theirs := net.Pipe()
	served := make(chan net.Conn, 1)
	s := Streams(&scriptedListener{script: []func() (net.Conn, error){
		failsWith(unix.EMFILE),
		failsWith(unix.ENFILE),
		func() (net.Conn, error) { return ours, nil },
		failsWith(net.ErrClosed),
	}}, func(c net.Conn) { served <- c })
	if err := s.Serve(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c := <-served; c != ours {
		t.Errorf("served %v", c)
	}
	// The connection is closed when its function has returned.
	theirs.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := theirs.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

func TestStreamsEndWithAnError(t *testing.T) {
	s := Streams(&scriptedListener{script: []func() (net.Conn, error){failsWith(unix.EINVAL)}}, nil)
	if err := s.Serve(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("Serve: %v", err)
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
