package activation

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// vsockSocket returns a listening vsock socket, or skips the test.
func vsockSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("the kernel has no vsock: socket: %v", err)
	}
	err = unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: unix.VMADDR_PORT_ANY})
	if err == nil {
		err = unix.Listen(fd, 4)
	}
	if err != nil {
		unix.Close(fd)
		t.Skipf("no vsock transport: %v", err)
	}
	return fd
}

func TestVSOCKListener(t *testing.T) {
	checkLeaks(t)
	fd := vsockSocket(t)
	s := newSet(t, Entry{"vm", fd})
	ln, err := s.Listener("vm", Only("vsock"), BoundTo(boundTo(t, fd)))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr, ok := ln.Addr().(*VSOCKAddr)
	if !ok || addr.Network() != "vsock" || addr.CID != unix.VMADDR_CID_ANY || addr.Port == 0 {
		t.Errorf("Addr = %#v", ln.Addr())
	}

	d := ln.(deadliner)
	if err := d.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	_, err = ln.Accept()
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept after the deadline: %v", err)
	}
	if err := d.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}

	// Close ends an Accept that waits, or the next one.
	accepted := make(chan error)
	go func() {
		_, err := ln.Accept()
		accepted <- err
	}()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
	if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v, want net.ErrClosed", err)
	}
}

func TestVSOCKLoopback(t *testing.T) {
	checkLeaks(t)
	fd := vsockSocket(t)
	s := newSet(t, Entry{"vm", fd})
	ln, err := s.Listener("vm")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := dialVSOCKLoopback(t, ln.Addr().(*VSOCKAddr).Port)
	defer unix.Close(client)
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if remote := conn.RemoteAddr().(*VSOCKAddr); remote.CID != unix.VMADDR_CID_LOCAL {
		t.Errorf("RemoteAddr = %v", remote)
	}
	if _, err := unix.Write(client, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

// dialVSOCKLoopback needs the kernel's vsock_loopback, which few machines load.
// Without it a connection attempt may just hang, hence the short timeout.
func dialVSOCKLoopback(t *testing.T, port uint32) int {
	t.Helper()
	fd := rawSocket(t, unix.AF_VSOCK, unix.SOCK_STREAM, 0, nil, false)
	timeout := unix.NsecToTimeval(int64(200 * time.Millisecond))
	const connectTimeout = 6 // SO_VM_SOCKETS_CONNECT_TIMEOUT of linux/vm_sockets.h
	err := unix.SetsockoptTimeval(fd, unix.AF_VSOCK, connectTimeout, &timeout)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: port})
	}
	if err != nil {
		unix.Close(fd)
		t.Skipf("no vsock loopback on this kernel (vsock_loopback is not loaded): connect: %v", err)
	}
	return fd
}

// pair returns a vsockConn and its peer. A Unix socket pair stands in for vsock:
// the code above the socket is the same, and it is there on every machine.
func pair(t *testing.T) (conn *vsockConn, peer *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	conn = &vsockConn{os.NewFile(uintptr(fds[0]), "conn"), &VSOCKAddr{3, 1}, &VSOCKAddr{2, 9}}
	peer = os.NewFile(uintptr(fds[1]), "peer")
	t.Cleanup(func() { conn.Close(); peer.Close() })
	return conn, peer
}

func TestVSOCKConn(t *testing.T) {
	checkLeaks(t)
	conn, peer := pair(t)
	var _ net.Conn = conn
	if _, err := peer.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if _, err := conn.Write([]byte("world")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(peer); err != nil || string(all) != "world" {
		t.Errorf("peer read %q, %v; want world and the end", all, err)
	}
	if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(buf)
	if want := "read vsock vsock:3:1->vsock:2:9: i/o timeout"; err == nil || err.Error() != want || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after the deadline: %v, want %s", err, want)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); err != io.EOF {
		t.Errorf("Read after the peer's end: %v, want a bare io.EOF", err)
	}
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Write after the peer's end: %v, want EPIPE", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close: %v, want net.ErrClosed", err)
	}
}

// The accept loop, over a Unix listener for the same reason.
func TestVSOCKAccept(t *testing.T) {
	checkLeaks(t)
	path := t.TempDir() + "/socket"
	file, err := nonblockingFile(unixSocket(t, unix.SOCK_STREAM, path), "listener")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := newVSOCKListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	type result struct {
		conn net.Conn
		err  error
	}
	accepted := make(chan result)
	go func() {
		conn, err := ln.Accept() // may wait, in Go's poller
		accepted <- result{conn, err}
	}()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.conn.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := r.conn.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestVSOCKAddr(t *testing.T) {
	for want, addr := range map[string]*VSOCKAddr{
		"vsock:3:1024": {3, 1024},
		"vsock::1024":  {unix.VMADDR_CID_ANY, 1024},
	} {
		if got := addr.String(); got != want {
			t.Errorf("String = %s, want %s", got, want)
		}
		p, err := parsePattern(want)
		if err != nil || *p.vsock != *addr {
			t.Errorf("parsePattern(%q) = %+v, %v", want, p, err)
		}
	}
	for pattern, want := range map[string]bool{"vsock:3:5": true, "vsock::5": true, "vsock:3:0": true, "vsock:4:5": false, "vsock:3:6": false} {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(addressOf(&unix.SockaddrVM{CID: 3, Port: 5})); got != want {
			t.Errorf("%s matches vsock:3:5 = %t", pattern, got)
		}
	}
	for _, s := range []string{"vsock:", "vsock:3", "vsock:x:1", "vsock:3:x", "vsock:4294967296:1"} {
		if _, err := parsePattern(s); err == nil {
			t.Errorf("parsePattern(%q) succeeded", s)
		}
	}
}
