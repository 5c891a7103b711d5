package notify

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The exchange on a connection, between two ends of a socket pair: text, end, end.
func TestConverse(t *testing.T) {
	checkDescriptors(t)
	for name, test := range map[string]struct {
		answer string
		err    error
	}{
		"end":    {"", nil},
		"answer": {"?", unix.EPROTO},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := socketPair(t)
			received := make(chan string, 1)
			go func() {
				text, _ := io.ReadAll(theirs)
				theirs.WriteString(test.answer)
				theirs.Close()
				received <- string(text)
			}()
			if err := converse(ours, []byte("READY=1"), time.Minute); !errors.Is(err, test.err) {
				t.Errorf("error %v; want %v", err, test.err)
			}
			if text := <-received; text != "READY=1" {
				t.Errorf("received %q", text)
			}
		})
	}
}

func TestConverseGivesUp(t *testing.T) {
	checkDescriptors(t)
	ours, theirs := socketPair(t)
	defer theirs.Close()
	if err := converse(ours, []byte("READY=1"), time.Millisecond); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("error %v; want EAGAIN", err)
	}
}

func socketPair(t *testing.T) (ours int, theirs *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]) })
	return pair[0], os.NewFile(uintptr(pair[1]), "peer")
}

func TestVsockTakesNoDescriptors(t *testing.T) {
	n, err := Dial("vsock:2:1")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Send(FDStore("a", 0)); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("FDStore: %v; want ErrUnsupported", err)
	}
	if err := n.Barrier(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Barrier: %v; want ErrUnsupported", err)
	}
}

// The sockets themselves can be had wherever the kernel knows vsock, without a peer.
func TestVsockSocket(t *testing.T) {
	checkDescriptors(t)
	for range 2 { // the second finds the first port taken, where it may use it at all
		fd, sockType, err := openVsock(0)
		if notOffered(errors.Unwrap(err)) {
			t.Skip("this kernel has no vsock")
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || got != sockType {
			t.Errorf("SO_TYPE = %d, %v; want %d", got, err, sockType)
		}
		if err := bindPrivileged(fd); err != nil {
			t.Error(err)
		}
	}
}

func TestVsock(t *testing.T) {
	checkDescriptors(t)
	requireVsockLoopback(t)
	for prefix, sockType := range vsockPrefixes {
		if sockType == 0 {
			_, sockType, _ = openVsock(0)
		}
		t.Run(prefix, func(t *testing.T) {
			port, received := receiveVsock(t, sockType)
			n, err := Dial(fmt.Sprintf("%s:local:%d", prefix, port))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if err := n.Send(Ready, Status("over vsock")); err != nil {
				t.Fatal(err)
			}
			if text := <-received; text != "READY=1\nSTATUS=over vsock" {
				t.Errorf("received %q", text)
			}
		})
	}
}

// requireVsockLoopback skips the test on a host whose kernel has not loaded the
// loopback transport; where it has, vsock must work.
func requireVsockLoopback(t *testing.T) {
	t.Helper()
	modules, err := os.ReadFile("/proc/modules")
	if err != nil || !strings.Contains(string(modules), "vsock_loopback ") {
		t.Skip("no vsock loopback on this host: modprobe vsock_loopback")
	}
}

// receiveVsock takes one notification on a port of the kernel's choice, or skips the
// test if the loopback has no sockets of this type.
func receiveVsock(t *testing.T, sockType int) (port uint32, received <-chan string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_VSOCK, sockType|unix.SOCK_CLOEXEC, 0)
	if notOffered(err) {
		t.Skipf("vsock has no sockets of type %d here: %v", sockType, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: unix.VMADDR_PORT_ANY}); err != nil {
		t.Fatal(err)
	}
	if sockType != unix.SOCK_DGRAM {
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	texts := make(chan string, 1)
	go func() { texts <- readVsock(fd, sockType) }()
	return local.(*unix.SockaddrVM).Port, texts
}

// readVsock reads one notification, to its end, and closes the socket.
func readVsock(fd, sockType int) string {
	defer unix.Close(fd)
	from := fd
	if sockType != unix.SOCK_DGRAM {
		conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			return err.Error()
		}
		defer unix.Close(conn)
		from = conn
	}
	var text []byte
	for buf := make([]byte, maxDatagram); ; {
		n, err := unix.Read(from, buf)
		if err != nil {
			return err.Error()
		}
		text = append(text, buf[:n]...)
		if n == 0 || sockType == unix.SOCK_DGRAM {
			return string(text)
		}
	}
}
