package handover

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

// checkDescriptors fails the test if it ends with other descriptors open than it
// began with. Call it first: cleanups run in reverse order.
func checkDescriptors(t *testing.T) {
	t.Helper()
	// The runtime opens its poller once and keeps it.
	a, b := rawPair(t)
	unix.Close(b)
	if c, err := Open(a); err != nil {
		t.Fatal(err)
	} else if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	before := openDescriptors(t)
	t.Cleanup(func() {
		if after := openDescriptors(t); after != before {
			t.Errorf("open at the start:\n%sat the end:\n%s", before, after)
		}
	})
}

func openDescriptors(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		// The directory itself is among them, and gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fmt.Fprintf(&all, "\t%s → %s\n", e.Name(), target)
		}
	}
	return all.String()
}

// rawPair is the line without this package, for messages that the other end may
// really send.
func rawPair(t *testing.T) (int, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fds[0], fds[1]
}

// halfRaw is one end of a line, and the other as a bare descriptor, which the
// caller may close; -1 in the pointer's place says so.
func halfRaw(t *testing.T) (*Conn, *int) {
	t.Helper()
	ours, theirs := rawPair(t)
	c, err := Open(ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if theirs >= 0 {
			unix.Close(theirs)
		}
	})
	return c, &theirs
}

// pair is a whole line.
func pair(t *testing.T) (predecessor, successor *Conn) {
	t.Helper()
	predecessor, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	// The successor finds it after an exec, at a number of its own.
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	successor, err = Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		predecessor.Close()
		successor.Close()
	})
	return predecessor, successor
}

// write sends one datagram as it is.
func write(t *testing.T, fd int, datagram string, fds ...int) {
	t.Helper()
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(fd, []byte(datagram), oob, nil, 0); err != nil {
		t.Fatalf("sendmsg: %v", err)
	}
}

// read receives one datagram as it is, and closes the descriptors in it.
func read(t *testing.T, fd int) (datagram string, descriptors int) {
	t.Helper()
	buf := make([]byte, 2*maxDatagram)
	oob := make([]byte, unix.CmsgSpace(4*maxRights))
	n, oobn, _, _, err := unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		t.Fatalf("recvmsg: %v", err)
	}
	fds, err := descriptor.Rights(oob[:oobn])
	if err != nil {
		t.Fatal(err)
	}
	descriptor.CloseAll(fds)
	return string(buf[:n]), len(fds)
}

// memfds are n descriptors that say by their content which they are.
func memfds(t *testing.T, n int) []Descriptor {
	t.Helper()
	all := make([]Descriptor, n)
	for i := range all {
		name := fmt.Sprintf("socket-%d", i)
		fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if _, err := unix.Write(fd, []byte(name)); err != nil {
			t.Fatal(err)
		}
		all[i] = Descriptor{Name: name, FD: fd}
	}
	return all
}
