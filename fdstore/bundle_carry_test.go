package fdstore

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// lent is a connection that the model can identify.
type lent struct {
	*os.File
	closed bool
}

func (l *lent) close(t testing.TB) {
	t.Helper()
	if !l.closed {
		l.closed = true
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stranger is a syscall.Conn of which the bundle knows nothing.
type stranger struct{ *os.File }

func (s stranger) SyscallConn() (syscall.RawConn, error) { return s.File.SyscallConn() }

// Connections that lend their descriptors, or were closed, early or late, and plain
// descriptors: each one that is written again, from wherever, is the one that was
// added.
func TestBundleLends(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	conns := make(map[ID]*lent)
	for step := range 8000 {
		label := strconv.Itoa(step)
		switch n := rand.IntN(100); {
		case n < 10:
			want.add(t, b, step, label)
		case n < 55:
			l := &lent{File: os.NewFile(uintptr(identify(t, step)), "conn")}
			conn := syscall.Conn(l.File)
			if n < 15 {
				conn = stranger{l.File}
			}
			id, err := b.AddConn(conn, []byte(label))
			if err != nil {
				t.Fatal(err)
			}
			want[id], conns[id] = parked{step, label}, l
			if n < 20 {
				l.close(t)
			}
		case n < 60 && len(want) > 0:
			if l := conns[want.any()]; l != nil {
				l.close(t)
			}
		case n < 95 && len(want) > 300:
			id := want.any()
			if err := b.Remove(id); err != nil {
				t.Fatal(err)
			}
			if l := conns[id]; l != nil {
				l.close(t)
			}
			delete(want, id)
			delete(conns, id)
		case n == 99 && step%20 == 0:
			check(t, b, want, fmt.Sprintf("step %d", step))
		case n == 98 && step%20 == 0:
			b.Close()
			b = bundleOf(t, &held, 0)
			check(t, b, want, fmt.Sprintf("step %d, next process", step))
		}
	}
	for _, l := range conns {
		l.close(t)
	}
	b.Close()
	check(t, bundleOf(t, &held, 0), want, "at the end")
}

// A lent connection stays open while the bundle uses it: closing it need not wait,
// and the descriptor that is sent is the connection's.
func TestBundleLendsWhileClosing(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	closing := make(chan *os.File, 100)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for f := range closing {
			f.Close()
			// Somebody else gets the number.
			if fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC); err == nil {
				unix.Close(fd)
			}
		}
	}()
	for i := range 5000 {
		f := os.NewFile(uintptr(identify(t, i)), "conn")
		id, err := b.AddConn(f, nil)
		if err != nil {
			t.Fatal(err)
		}
		want[id] = parked{i, ""}
		closing <- f
		if i%3 == 0 {
			id := want.any()
			if err := b.Remove(id); err != nil {
				t.Fatal(err)
			}
			delete(want, id)
		}
	}
	close(closing)
	<-closed
	check(t, b, want, "after closing")
}

// A closed connection is an error, and nothing is added.
func TestBundleAddClosed(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	client := must(net.Dial("tcp", l.Addr().String()))
	server := must(l.Accept())
	raw := server.(*net.TCPConn)
	client.Close()
	server.Close()
	if id, err := b.AddConn(raw, nil); err == nil || b.Len() != 0 {
		t.Errorf("a closed connection was added as %d", id)
	}
	f := os.NewFile(uintptr(identify(t, 1)), "conn")
	f.Close()
	if id, err := b.AddConn(f, nil); err == nil || b.Len() != 0 {
		t.Errorf("a closed file was added as %d", id)
	}
}
