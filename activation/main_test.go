package activation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the service as well: started with
// $ACTIVATION_TEST_HELPER it runs that helper (see helper_test.go) and no test.
func TestMain(m *testing.M) {
	if script := os.Getenv("ACTIVATION_TEST_HELPER"); script != "" {
		runHelper(script)
		return
	}
	os.Exit(m.Run())
}

// checkLeaks fails the test if it ends with more descriptors open than it began.
func checkLeaks(t *testing.T) {
	t.Helper()
	before := openDescriptors(t)
	t.Cleanup(func() {
		for fd, what := range openDescriptors(t) {
			if before[fd] != what {
				t.Errorf("fd %s leaked: %s", fd, what)
			}
		}
	})
}

func openDescriptors(t *testing.T) map[string]string {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]string)
	for _, e := range dir {
		what, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		// The poller of Go's runtime stays; the directory just read is gone.
		if err == nil && !strings.HasPrefix(what, "anon_inode:[event") {
			open[e.Name()] = what
		}
	}
	return open
}

// rawSocket makes a socket with no help of package net, blocking as a manager
// other than systemd may pass it. The caller owns it.
func rawSocket(t *testing.T, domain, typ, protocol int, bind unix.Sockaddr, listen bool) int {
	t.Helper()
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatalf("socket(%d, %d, %d): %v", domain, typ, protocol, err)
	}
	if bind != nil {
		if err := unix.Bind(fd, bind); err != nil {
			t.Fatalf("bind: %v", err)
		}
	}
	if listen {
		if err := unix.Listen(fd, 16); err != nil {
			t.Fatalf("listen: %v", err)
		}
	}
	return fd
}

func loopback4() *unix.SockaddrInet4 { return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}} }

func tcpSocket(t *testing.T) int {
	return rawSocket(t, unix.AF_INET, unix.SOCK_STREAM, 0, loopback4(), true)
}

func udpSocket(t *testing.T) int {
	return rawSocket(t, unix.AF_INET, unix.SOCK_DGRAM, 0, loopback4(), false)
}

func unixSocket(t *testing.T, typ int, path string) int {
	return rawSocket(t, unix.AF_UNIX, typ, 0, &unix.SockaddrUnix{Name: path}, typ != unix.SOCK_DGRAM)
}

func fifo(t *testing.T, path string) int {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return openPath(t, path, unix.O_RDWR|unix.O_NONBLOCK) // as systemd opens it
}

func openPath(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	return fd
}

// newSet makes a Set as Take would, so a missing descriptor is one that systemd did
// not pass.
func newSet(t *testing.T, entries ...Entry) *Set {
	t.Helper()
	s, err := New(entries)
	if err != nil {
		t.Fatal(err)
	}
	s.handed = false
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// boundTo is the address of fd as errors have it.
func boundTo(t *testing.T, fd int) string {
	t.Helper()
	info, err := inspect(fd)
	if err != nil {
		t.Fatal(err)
	}
	return info.local.text
}

// expand puts the descriptor and its address into a pinned error.
func expand(want string, fd int, addr string) string {
	return strings.NewReplacer("{fd}", fmt.Sprint(fd), "{addr}", addr).Replace(want)
}
