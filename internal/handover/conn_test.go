package handover

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestOpenTakesOnlyTheHandoverSocket(t *testing.T) {
	for _, c := range []struct {
		name string
		open func() (int, error)
		want string
	}{
		{"a file", func() (int, error) { return unix.MemfdCreate("x", 0) }, "handover: descriptor %d is not the handover socket: socket operation on non-socket"},
		{"a Unix stream socket", func() (int, error) { return unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0) }, "handover: descriptor %d is not the handover socket: domain 1, type 1 instead of a Unix seqpacket socket"},
		{"a TCP socket", func() (int, error) { return unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0) }, "handover: descriptor %d is not the handover socket: domain 2, type 1 instead of a Unix seqpacket socket"},
		{"nothing open", func() (int, error) { return 1 << 20, nil }, "handover: descriptor %d is not the handover socket: bad file descriptor"},
		{"no number", func() (int, error) { return -1, nil }, "handover: %d is no descriptor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkDescriptors(t)
			fd, err := c.open()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := Open(fd)
			if want := fmt.Sprintf(c.want, fd); conn != nil || err == nil || err.Error() != want {
				t.Errorf("Open: %v, want %s", err, want)
			}
		})
	}
}

// The end that a successor inherits must not be inherited by anybody else.
func TestPairIsCloseOnExec(t *testing.T) {
	checkDescriptors(t)
	before := openDescriptors(t)
	c, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer theirs.Close()
	dir, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range dir {
		if strings.Contains(before, "\t"+e.Name()+" →") {
			continue
		}
		info, err := os.ReadFile(filepath.Join("/proc/self/fdinfo", e.Name()))
		if err != nil {
			continue // the directory
		}
		var flags int
		for line := range strings.Lines(string(info)) {
			fmt.Sscanf(line, "flags: %o", &flags)
		}
		if flags&unix.O_CLOEXEC == 0 {
			t.Errorf("descriptor %s is inherited", e.Name())
		}
	}
}

func TestReceive(t *testing.T) {
	file := func(t *testing.T) int { return memfds(t, 1)[0].FD }
	for _, c := range []struct {
		name string
		send func(t *testing.T, c *int)
		want string // of the error
		is   error
	}{
		{"garbage", func(t *testing.T, c *int) { write(t, *c, "HTTP/1.1 200 OK") }, `handover: "HTTP/1.1 200 OK" is no message`, nil},
		{"garbage with a descriptor", func(t *testing.T, c *int) { write(t, *c, "garbage", file(t)) }, `is no message`, nil},
		{"an unknown type with a descriptor", func(t *testing.T, c *int) { write(t, *c, `{"type":"gift"}`, file(t)) }, "unknown message type", ErrUnknownType},
		{"a message too long, with a descriptor", func(t *testing.T, c *int) {
			write(t, *c, `{"type":"refuse","reason":"`+strings.Repeat("x", maxDatagram)+`"}`, file(t))
		}, "a message of more than 65536 bytes or 253 descriptors", nil},
		{"nothing, with a descriptor", func(t *testing.T, c *int) { writeNothing(t, *c, file(t)) }, "EOF", io.EOF},
		{"the end", func(t *testing.T, c *int) { unix.Close(*c); *c = -1 }, "EOF", io.EOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkDescriptors(t)
			conn, other := halfRaw(t)
			c.send(t, other)
			m, fds, err := conn.Receive()
			if m != nil || fds != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Receive: %v, %v, %v, want %s", m, fds, err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("Receive: %v is no %v", err, c.is)
			}
		})
	}
}

// A process that exits with messages unread resets the line. Its own messages
// before that, a refusal maybe, arrive all the same.
func TestLastWordsBeforeAReset(t *testing.T) {
	checkDescriptors(t)
	conn, other := halfRaw(t)
	if err := conn.Send(Takeover{}); err != nil {
		t.Fatal(err)
	}
	write(t, *other, `{"type":"unhealthy","reason":"why"}`)
	unix.Close(*other)
	*other = -1
	if m, _, err := conn.Receive(); err != nil || m != (Unhealthy{Reason: "why"}) {
		t.Errorf("Receive: %v, %v", m, err)
	}
	if _, _, err := conn.Receive(); err != io.EOF {
		t.Errorf("Receive: %v, want %v", err, io.EOF)
	}
	if err := conn.Send(TakenOver{}); !errors.Is(err, unix.EPIPE) || !strings.HasPrefix(err.Error(), "handover: send taken-over: ") {
		t.Errorf("Send: %v", err)
	}
}

// Additions of a later minor version must not end the conversation.
func TestUnknownTypeLeavesTheLineUsable(t *testing.T) {
	checkDescriptors(t)
	conn, other := halfRaw(t)
	write(t, *other, `{"type":"since-1.1"}`)
	write(t, *other, `{"type":"released"}`)
	if _, _, err := conn.Receive(); !errors.Is(err, ErrUnknownType) {
		t.Fatalf("first: %v", err)
	}
	if m, _, err := conn.Receive(); err != nil || m != (Released{}) {
		t.Fatalf("second: %v, %v", m, err)
	}
}

// writeNothing sends an empty datagram with a descriptor, which x/sys/unix
// does not: it adds a byte.
func writeNothing(t *testing.T, line, fd int) {
	t.Helper()
	oob := unix.UnixRights(fd)
	message := unix.Msghdr{Control: &oob[0]}
	message.SetControllen(len(oob))
	if _, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(line), uintptr(unsafe.Pointer(&message)), 0); errno != 0 {
		t.Fatalf("sendmsg: %v", errno)
	}
}
