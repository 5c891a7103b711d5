package activation

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadliner is the promise of every listener of this package beside net.Listener.
type deadliner interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

func TestListener(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	tests := []struct {
		what    string
		network string
		fd      int
	}{
		{"TCP over IPv4", "tcp", tcpSocket(t)},
		{"TCP over IPv6", "tcp", tcp6Socket(t)},
		{"Multipath TCP", "tcp", mptcpSocket(t)},
		{"Unix stream", "unix", unixSocket(t, unix.SOCK_STREAM, filepath.Join(dir, "stream"))},
		{"Unix seqpacket", "unixpacket", unixSocket(t, unix.SOCK_SEQPACKET, filepath.Join(dir, "packet"))},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			if tt.fd < 0 {
				t.Skip("the kernel has no such sockets")
			}
			s := newSet(t, Entry{"s", tt.fd})
			ln, err := s.Listener("s")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			if got := ln.Addr().Network(); got != tt.network {
				t.Errorf("network = %s, want %s", got, tt.network)
			}
			roundTrip(t, ln)

			// A deadline stops accepting, and taking it away starts it again.
			d := ln.(deadliner)
			if err := d.SetDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Accept after the deadline: %v", err)
			}
			if err := d.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, ln)

			// The Set still has the socket: close this one, ask for it again.
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := s.Listener("s")
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			roundTrip(t, again)
			if !nonblocking(t, tt.fd) {
				t.Error("the shared description was left blocking")
			}
		})
	}
}

func tcp6Socket(t *testing.T) int {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if unix.Bind(fd, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}) != nil || unix.Listen(fd, 1) != nil {
		unix.Close(fd)
		return -1
	}
	return fd
}

func mptcpSocket(t *testing.T) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		return -1
	}
	if unix.Bind(fd, loopback4()) != nil || unix.Listen(fd, 1) != nil {
		unix.Close(fd)
		return -1
	}
	return fd
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

// roundTrip connects to ln and sends a word over the connection.
func roundTrip(t *testing.T, ln net.Listener) {
	t.Helper()
	client, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	n, err := server.Read(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("read %q, %v; want hello", buf[:n], err)
	}
}

// A Unix listener of systemd's is not unlinked when a service closes it.
func TestListenerKeepsPath(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	s := newSet(t, Entry{"s", unixSocket(t, unix.SOCK_STREAM, path)})
	ln, err := s.Listener("s")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestListeners(t *testing.T) {
	checkLeaks(t)
	first, dns, second := tcpSocket(t), udpSocket(t), tcpSocket(t)
	s := newSet(t, Entry{"http", first}, Entry{"dns", dns}, Entry{"http", second})
	lns, err := s.Listeners("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, ln := range lns {
		defer ln.Close()
	}
	if len(lns) != 2 || lns[0].Addr().String() != boundTo(t, first) || lns[1].Addr().String() != boundTo(t, second) {
		t.Errorf("Listeners = %v, want both, in order", lns)
	}
	// One that does not fit leaves nothing open: checkLeaks sees to that.
	calls := 0
	refuseSecond := func(int) error {
		if calls++; calls == 2 {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	if lns, err := s.Listeners("http", refuseSecond); !errors.Is(err, io.ErrUnexpectedEOF) || lns != nil {
		t.Errorf("Listeners = %v, %v; want the check's error", lns, err)
	}
}

func TestPacketConn(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	s := newSet(t, Entry{"udp", udpSocket(t)}, Entry{"unix", unixSocket(t, unix.SOCK_DGRAM, path)})
	for name, network := range map[string]string{"udp": "udp", "unix": "unixgram"} {
		pc, err := s.PacketConn(name)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		if got := pc.LocalAddr().Network(); got != network {
			t.Errorf("network = %s, want %s", got, network)
		}
		client, err := net.Dial(network, pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		n, _, err := pc.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "hello" {
			t.Errorf("%s: received %q, %v; want hello", name, buf[:n], err)
		}
	}
	pcs, err := s.PacketConns("udp")
	if err != nil || len(pcs) != 1 {
		t.Fatalf("PacketConns = %v, %v", pcs, err)
	}
	pcs[0].Close()
}

func TestFile(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "fifo")
	s := newSet(t,
		Entry{"fifo", fifo(t, path)},
		Entry{"special", openPath(t, "/dev/null", unix.O_RDWR)},
		Entry{"regular", openPath(t, "/proc/self/status", unix.O_RDONLY)},
		Entry{"netlink", rawSocket(t, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}, false)},
	)
	for _, name := range s.Names() {
		fs, err := s.Files(name)
		if err != nil {
			t.Fatal(err)
		}
		fs[0].Close()
	}

	// A FIFO waits in Go's poller, so it has deadlines.
	f, err := s.File("fifo", BoundTo(path), Only("fifo"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after the deadline: %v", err)
	}
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}

func TestFileMessageQueue(t *testing.T) {
	checkLeaks(t)
	name, err := unix.BytePtrFromString("instar-activation-test")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := openQueue(name)
	if err != nil {
		t.Skipf("no POSIX message queues here: mq_open: %v", err)
	}
	s := newSet(t, Entry{"queue", fd})
	f, err := s.File("queue", Only("mqueue"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	ln, err := s.Listener("queue")
	wantError(t, err, ErrWrongType, expand(`activation: Listener("queue"): fd {fd} is a POSIX message queue (ListenMessageQueue=), not a listener: `+
		`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=queue, or get it with File("queue")`, fd, ""))
	if ln != nil {
		t.Errorf("a listener beside the error: %v", ln)
	}
}

func wantError(t *testing.T, err, sentinel error, text string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", text)
	}
	if err.Error() != text {
		t.Errorf("got  %s\nwant %s", err, text)
	}
	if !errors.Is(err, sentinel) {
		t.Errorf("%v is not %q", err, sentinel)
	}
}

// connected returns one end of an accepted TCP connection.
func connected(t *testing.T) int {
	t.Helper()
	ln := tcpSocket(t)
	defer unix.Close(ln)
	addr, err := unix.Getsockname(ln)
	if err != nil {
		t.Fatal(err)
	}
	client := rawSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0, nil, false)
	t.Cleanup(func() { unix.Close(client) })
	if err := unix.Connect(client, addr); err != nil {
		t.Fatal(err)
	}
	server, _, err := unix.Accept4(ln, unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestWrongType(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	sctp, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		sctp = -1
	}
	tests := []struct {
		method string
		fd     int
		want   string
	}{
		{"Listener", udpSocket(t), `fd {fd} is a UDP socket on {addr} (ListenDatagram=), not a listener: ` +
			`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=s, or get it with PacketConn("s")`},
		{"Listeners", unixSocket(t, unix.SOCK_DGRAM, filepath.Join(dir, "gram")), `fd {fd} is a Unix datagram socket on {addr} (ListenDatagram=), not a listener: ` +
			`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=s, or get it with PacketConns("s")`},
		{"Listener", fifo(t, filepath.Join(dir, "fifo")), `fd {fd} is a FIFO (ListenFIFO=), not a listener: ` +
			`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=s, or get it with File("s")`},
		{"Listener", rawSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0, loopback4(), false),
			`fd {fd} is a socket that neither listens nor is connected on {addr}, not a listener: ` +
				`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=s, or get it with File("s")`},
		{"Listener", sctp, `fd {fd} is an SCTP socket, not a listener: ` +
			`remove SocketProtocol=sctp from the .socket unit with FileDescriptorName=s, or get it with File("s")`},
		{"PacketConn", tcpSocket(t), `fd {fd} is a TCP listener on {addr} (ListenStream=), not a UDP or Unix datagram socket: ` +
			`use ListenDatagram= in the .socket unit with FileDescriptorName=s, or get it with Listener("s")`},
		{"PacketConn", unixSocket(t, unix.SOCK_SEQPACKET, filepath.Join(dir, "packet")), `fd {fd} is a Unix seqpacket listener on {addr} (ListenSequentialPacket=), not a UDP or Unix datagram socket: ` +
			`use ListenDatagram= in the .socket unit with FileDescriptorName=s, or get it with Listener("s")`},
		{"PacketConn", rawSocket(t, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, nil, false), `fd {fd} is a netlink socket (ListenNetlink=), not a UDP or Unix datagram socket: ` +
			`use ListenDatagram= in the .socket unit with FileDescriptorName=s, or get it with File("s")`},
		{"File", unixSocket(t, unix.SOCK_STREAM, filepath.Join(dir, "stream")), `fd {fd} is a Unix stream listener on {addr} (ListenStream=), not a plain file: ` +
			`use ListenFIFO=, ListenSpecial=, ListenNetlink= or ListenMessageQueue= in the .socket unit with FileDescriptorName=s, or get it with Listener("s")`},
		{"Files", udpSocket(t), `fd {fd} is a UDP socket on {addr} (ListenDatagram=), not a plain file: ` +
			`use ListenFIFO=, ListenSpecial=, ListenNetlink= or ListenMessageQueue= in the .socket unit with FileDescriptorName=s, or get it with PacketConns("s")`},
		{"Listener", openPath(t, dir, unix.O_RDONLY), `fd {fd} is a directory, not a listener: ` +
			`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=s, or get it with File("s")`},
	}
	for _, tt := range tests {
		if tt.fd < 0 {
			t.Logf("not run, the kernel has no such socket: %s", tt.want)
			continue
		}
		want := `activation: ` + tt.method + `("s"): ` + expand(tt.want, tt.fd, boundTo(t, tt.fd))
		s := newSet(t, Entry{"s", tt.fd})
		err := call(s, tt.method, "s")
		wantError(t, err, ErrWrongType, want)
		if e, ok := errors.AsType[*Error](err); !ok || e.Op != tt.method || e.Name != "s" || e.found != mustKind(t, tt.fd) {
			t.Errorf("carries %#v", e)
		}
	}
}

func mustKind(t *testing.T, fd int) fdKind {
	t.Helper()
	info, err := inspect(fd)
	if err != nil {
		t.Fatal(err)
	}
	return info.kind()
}

// call calls a getter that is expected to fail.
func call(s *Set, method, name string, checks ...Check) error {
	var err error
	switch method {
	case "Listener":
		_, err = s.Listener(name, checks...)
	case "Listeners":
		_, err = s.Listeners(name, checks...)
	case "PacketConn":
		_, err = s.PacketConn(name, checks...)
	case "PacketConns":
		_, err = s.PacketConns(name, checks...)
	case "File":
		_, err = s.File(name, checks...)
	case "Files":
		_, err = s.Files(name, checks...)
	}
	return err
}

func TestAcceptYes(t *testing.T) {
	checkLeaks(t)
	named, unnamed := connected(t), connected(t)
	s := newSet(t, Entry{"http", named})
	_, err := s.Listener("http")
	wantError(t, err, ErrAcceptYes, expand(`activation: Listener("http"): fd {fd} is a single connection on {addr}, not a listener: `+
		`set Accept=no in the .socket unit with FileDescriptorName=http, so that the listening socket itself is passed`, named, boundTo(t, named)))

	// systemd gives it this name if the unit gives none.
	s = newSet(t, Entry{"connection", unnamed})
	for _, name := range []string{"http", "connection"} {
		_, err := s.Listener(name)
		unit := map[string]string{"http": "the .socket unit with FileDescriptorName=http", "connection": "the .socket unit"}[name]
		wantError(t, err, ErrAcceptYes, expand(`activation: Listener("`+name+`"): fd {fd} is a single connection on {addr}, not a listener: `+
			`set Accept=no in `+unit+`, so that the listening socket itself is passed`, unnamed, boundTo(t, unnamed)))
	}
	// File takes any descriptor, since its caller wants just that: a stored
	// connection, perhaps.
	f, err := s.File("connection")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestMissing(t *testing.T) {
	checkLeaks(t)
	tests := []struct {
		what   string
		handed bool
		names  []string
		want   string
	}{
		{"others came", false, []string{"dns", "metrics"},
			`no socket of that name was passed, only "dns", "metrics": set FileDescriptorName=http in its .socket unit`},
		{"the unit's own name", false, []string{"dns", "web.socket"},
			`no socket of that name was passed, only "dns", "web.socket": set FileDescriptorName=http in web.socket, whose sockets go by the unit's own name until then`},
		{"no name", false, []string{"unknown"},
			`no socket of that name was passed, only "unknown": set FileDescriptorName=http in its .socket unit, or give systemd-socket-activate --fdname=http: "unknown" is a descriptor passed without a name`},
		{"stored without a name", false, []string{"stored"},
			`no socket of that name was passed, only "stored": set FileDescriptorName=http in its .socket unit: "stored" is an entry of the file descriptor store without FDNAME=`},
		{"only the library's own entries", false, []string{"instar.blob.sessions"},
			`no socket was passed: set FileDescriptorName=http in its .socket unit`},
		{"a predecessor without it", true, []string{"dns"},
			`no socket of that name was passed, only "dns": set FileDescriptorName=http in its .socket unit, then restart it and the service: an upgrade hands over only the sockets that the predecessor has`},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			var entries []Entry
			for _, name := range tt.names {
				entries = append(entries, Entry{name, tcpSocket(t)})
			}
			s := newSet(t, entries...)
			s.handed = tt.handed
			for _, method := range []string{"Listener", "Listeners", "PacketConn", "PacketConns", "File", "Files"} {
				wantError(t, call(s, method, "http"), ErrMissing, `activation: `+method+`("http"): `+tt.want)
			}
		})
	}
}

func TestDuplicate(t *testing.T) {
	checkLeaks(t)
	a, b := tcpSocket(t), udpSocket(t)
	s := newSet(t, Entry{"http", a}, Entry{"http", b})
	_, err := s.Listener("http")
	wantError(t, err, ErrDuplicate, expand(`activation: Listener("http"): 2 sockets have that name (fd {fd} is a TCP listener on {addr}, `, a, boundTo(t, a))+
		expand(`fd {fd} is a UDP socket on {addr}): ask with Listeners, or give each a .socket unit with its own FileDescriptorName=`, b, boundTo(t, b)))
}

func TestInvalidName(t *testing.T) {
	checkLeaks(t)
	s := newSet(t, Entry{"instar.fd.http", tcpSocket(t)})
	for name, want := range map[string]string{
		"":                       `the name is empty: ask for a name as FileDescriptorName= takes it`,
		"a:b":                    `the name holds a character other than printable ASCII without ':': ask for a name as FileDescriptorName= takes it`,
		strings.Repeat("n", 256): `the name is longer than 255 characters: ask for a name as FileDescriptorName= takes it`,
		"instar.fd.http":         `names that begin with "instar." are entries of the file descriptor store, not sockets: choose another FileDescriptorName=`,
	} {
		_, err := s.Listener(name)
		wantError(t, err, ErrInvalidName, `activation: Listener("`+name+`"): `+want)
	}
}
