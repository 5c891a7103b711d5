package notify

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify/notifytest"
)

// Each benchmark has a bare one beside it: the system calls that cannot be spared,
// and nothing else, to a manager that reads and forgets.

func benchManager(b *testing.B) *notifytest.Manager {
	m := notifytest.StartAbstract(b)
	m.Discard()
	return m
}

func BenchmarkSend(b *testing.B) {
	n := open(b, benchManager(b))
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Send(Watchdog); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareSendmsg(b *testing.B) {
	fd, to := bareSocket(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unix.SendmsgN(fd, []byte("WATCHDOG=1"), nil, to, unix.MSG_NOSIGNAL); err != nil {
			b.Fatal(err)
		}
	}
}

// The cost of Send on top of the system call.
func BenchmarkSendOverhead(b *testing.B) {
	n := &Notifier{transport: discard{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Send(Watchdog); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBarrier(b *testing.B) {
	n := open(b, benchManager(b))
	b.ReportAllocs()
	for b.Loop() {
		if err := n.Barrier(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareBarrier(b *testing.B) {
	fd, to := bareSocket(b)
	b.ReportAllocs()
	for b.Loop() {
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			b.Fatal(err)
		}
		if _, err := unix.SendmsgN(fd, []byte("BARRIER=1"), unix.UnixRights(pipe[1]), to, unix.MSG_NOSIGNAL); err != nil {
			b.Fatal(err)
		}
		unix.Close(pipe[1])
		var buf [1]byte
		if _, err := unix.Read(pipe[0], buf[:]); err != nil {
			b.Fatal(err)
		}
		unix.Close(pipe[0])
	}
}

func bareSocket(b *testing.B) (fd int, to *unix.SockaddrUnix) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	return fd, &unix.SockaddrUnix{Name: benchManager(b).Address()}
}
