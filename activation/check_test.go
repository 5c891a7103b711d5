package activation

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBoundTo(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	path, fifoPath := filepath.Join(dir, "socket"), filepath.Join(dir, "fifo")
	tcp := tcpSocket(t)
	_, port, err := net.SplitHostPort(boundTo(t, tcp))
	if err != nil {
		t.Fatal(err)
	}
	wildcard := rawSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0, &unix.SockaddrInet4{}, false)
	_, wildPort, err := net.SplitHostPort(boundTo(t, wildcard))
	if err != nil {
		t.Fatal(err)
	}
	abstract := "@instar-activation-test-" + port
	fds := map[string]int{
		"tcp":      tcp,
		"wildcard": wildcard,
		"unix":     unixSocket(t, unix.SOCK_STREAM, path),
		"abstract": unixSocket(t, unix.SOCK_DGRAM, abstract),
		"fifo":     fifo(t, fifoPath),
		"null":     openPath(t, "/dev/null", unix.O_RDONLY),
	}
	for _, tt := range []struct {
		name, address string
		want          bool
	}{
		{"tcp", "127.0.0.1:" + port, true},
		{"tcp", "127.0.0.1:0", true},
		{"tcp", "[::ffff:127.0.0.1]:" + port, true},
		{"tcp", "127.0.0.2:" + port, false},
		{"tcp", "127.0.0.1:1", false},
		{"tcp", "[::1]:" + port, false},
		{"tcp", port, false}, // not the wildcard address
		{"tcp", path, false},
		{"tcp", "vsock::1", false},
		{"wildcard", wildPort, true},
		{"wildcard", ":" + wildPort, true},
		{"wildcard", "0", true},
		{"wildcard", "0.0.0.0:" + wildPort, true},
		{"wildcard", "1", false},
		{"unix", path, true},
		{"unix", path + "x", false},
		{"unix", "127.0.0.1:0", false},
		{"abstract", abstract, true},
		{"abstract", "@other", false},
		{"fifo", fifoPath, true},
		{"fifo", path, false},
		{"fifo", filepath.Join(dir, "none"), false},
		{"fifo", "127.0.0.1:0", false},
		{"null", "/dev/null", true},
		{"null", "/dev/zero", false},
	} {
		err := BoundTo(tt.address)(fds[tt.name])
		if tt.want && err != nil || !tt.want && !errors.Is(err, ErrWrongAddress) {
			t.Errorf("BoundTo(%q) of %s = %v, want a match: %t", tt.address, tt.name, err, tt.want)
		}
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
}

func TestCheckErrors(t *testing.T) {
	checkLeaks(t)
	dir := t.TempDir()
	tcp, stream := tcpSocket(t), unixSocket(t, unix.SOCK_STREAM, filepath.Join(dir, "socket"))
	pipe := fifo(t, filepath.Join(dir, "fifo"))
	s := newSet(t, Entry{"http", tcp}, Entry{"web.socket", stream}, Entry{"pipe", pipe})
	for _, tt := range []struct {
		method, name string
		check        Check
		sentinel     error
		want         string
	}{
		{"Listener", "http", BoundTo("[::1]:8080"), ErrWrongAddress,
			`fd {fd} is a TCP listener on {addr}, not at [::1]:8080: set ListenStream=[::1]:8080 in the .socket unit with FileDescriptorName=http`},
		{"Listener", "web.socket", BoundTo("/run/web.sock"), ErrWrongAddress,
			`fd {fd} is a Unix stream listener on {addr}, not at /run/web.sock: set ListenStream=/run/web.sock in web.socket`},
		{"File", "pipe", BoundTo("/run/pipe"), ErrWrongAddress,
			`fd {fd} is a FIFO, not at /run/pipe: set ListenFIFO=/run/pipe in the .socket unit with FileDescriptorName=pipe`},
		{"Listener", "http", Only("unix", "unixpacket"), ErrWrongType,
			`fd {fd} is a TCP listener on {addr}, not a Unix stream listener or a Unix seqpacket listener: change the address of ListenStream= in the .socket unit with FileDescriptorName=http`},
		{"Listener", "web.socket", Only("unixpacket"), ErrWrongType,
			`fd {fd} is a Unix stream listener on {addr}, not a Unix seqpacket listener: use ListenSequentialPacket= in web.socket`},
		{"Files", "pipe", Only("special"), ErrWrongType,
			`fd {fd} is a FIFO, not a special or regular file: use ListenSpecial= in the .socket unit with FileDescriptorName=pipe`},
		{"Listeners", "http", func(int) error { return io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF,
			`fd {fd}: unexpected EOF`},
	} {
		fd := map[string]int{"http": tcp, "web.socket": stream, "pipe": pipe}[tt.name]
		wantError(t, call(s, tt.method, tt.name, tt.check), tt.sentinel,
			`activation: `+tt.method+`("`+tt.name+`"): `+expand(tt.want, fd, boundTo(t, fd)))
	}
	ln, err := s.Listener("http", Only("tcp"), BoundTo("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
}

func TestBoundToNonsense(t *testing.T) {
	checkLeaks(t)
	fd := tcpSocket(t)
	s := newSet(t, Entry{"http", fd})
	_, err := s.Listener("http", BoundTo("localhost:http"))
	want := `activation: Listener("http"): fd ` + strconv.Itoa(fd) + `: BoundTo: "localhost:http" is not an address as ListenStream= takes it: want IP:PORT, PORT, /path, @name or vsock:CID:PORT`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[fe80::1%lo]:80", "80", ":80", "/run/s", "@a", "vsock:3:4", "vsock::4", "vsock:", "", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePattern(s)
		if err != nil {
			return
		}
		// Exactly one way to match.
		ways := 0
		for _, is := range []bool{p.path != "", p.vsock != nil, p.any, p.inet.IsValid()} {
			if is {
				ways++
			}
		}
		if ways != 1 {
			t.Fatalf("%q parsed as %+v", s, p)
		}
		if p.matches(address{}) {
			t.Fatalf("%q matches an unnamed socket", s)
		}
	})
}
