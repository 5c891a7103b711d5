package notify

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify/notifytest"
)

// open returns a Notifier that reports to m until the test ends.
func open(t testing.TB, m *notifytest.Manager) *Notifier {
	t.Helper()
	n, err := Dial(m.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestSend(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *notifytest.Manager{
		"path":     notifytest.Start,
		"abstract": notifytest.StartAbstract,
	} {
		t.Run(name, func(t *testing.T) {
			checkDescriptors(t)
			m := start(t)
			n := open(t, m)
			if n.Address() != m.Address() {
				t.Errorf("Address() = %q; want %q", n.Address(), m.Address())
			}
			if err := n.Send(Ready, MainPID(42), Status("serving")); err != nil {
				t.Fatal(err)
			}
			got := m.Wait(notifytest.Has("READY=1"))
			if got.Text != "READY=1\nMAINPID=42\nSTATUS=serving" || got.PID != os.Getpid() {
				t.Errorf("received %v", got)
			}
		})
	}
}

// Descriptors arrive as duplicates, in order, and the sender's stay open.
func TestSendDescriptors(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	var fds []int
	for i := range 3 {
		fds = append(fds, memfd(t, fmt.Sprint("content ", i)))
	}
	if err := n.Send(FDStore("files", fds...)); err != nil {
		t.Fatal(err)
	}
	got := m.Wait(notifytest.Has("FDSTORE=1", "FDNAME=files"))
	if len(got.FDs) != len(fds) {
		t.Fatalf("received %v; want %d descriptors", got, len(fds))
	}
	for i, fd := range fds {
		if a, b := inode(t, fd), inode(t, got.FDs[i]); a != b {
			t.Errorf("descriptor %d is inode %d; sent was %d", i, b, a)
		}
	}
}

func TestSendMostDescriptors(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	fds := slices.Repeat([]int{memfd(t, "")}, maxFDs)
	if err := n.Send(FDStoreNoPoll("files", fds...)); err != nil {
		t.Fatal(err)
	}
	if got := m.Wait(notifytest.Has("FDPOLL=0")); len(got.FDs) != maxFDs {
		t.Errorf("received %d descriptors; want %d", len(got.FDs), maxFDs)
	}
}

// memfd returns a descriptor that is closed when the test ends.
func memfd(t *testing.T, content string) int {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Errorf("descriptor %d was borrowed: %v", fd, err)
		}
	})
	if _, err := unix.Write(fd, []byte(content)); err != nil {
		t.Fatal(err)
	}
	return fd
}

func inode(t *testing.T, fd int) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestSendPidfd(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if err := n.Send(MainPID(os.Getpid()), MainPIDFD(pidfd)); err != nil {
		t.Fatal(err)
	}
	if got := m.Wait(notifytest.Has("MAINPIDFD=1")); len(got.FDs) != 1 {
		t.Errorf("received %v; want one descriptor", got)
	}
}

// One invalid field, and nothing of the others goes out.
func TestSendNothingInvalid(t *testing.T) {
	m := notifytest.Start(t)
	n := open(t, m)
	err := n.Send(Ready, Status("a\nWATCHDOG=trigger"))
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "nothing was sent") {
		t.Errorf("error %v", err)
	}
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := m.Messages(); len(got) != 1 || got[0].Text != "BARRIER=1" {
		t.Errorf("received %v; want only the barrier", got)
	}
}

func TestSendConcurrently(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	const senders, each = 8, 25
	fd := memfd(t, "")
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for i := range each {
				err := n.Send(Status(fmt.Sprintf("%d from %d", i, sender)), FDStore("a", fd))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := n.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, got := range m.Messages() {
		seen[got.Text]++
	}
	for sender := range senders {
		for i := range each {
			want := fmt.Sprintf("STATUS=%d from %d\nFDSTORE=1\nFDNAME=a", i, sender)
			if seen[want] != 1 {
				t.Errorf("%q was received %d times; want once", want, seen[want])
			}
		}
	}
}

// A manager that re-creates its socket, under the same name, is found again.
func TestSendToRecreatedSocket(t *testing.T) {
	checkDescriptors(t)
	path := filepath.Join(t.TempDir(), "s")
	n, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Send(Ready); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "NotifyAccess=") {
		t.Errorf("without a socket: %v; want ENOENT and NotifyAccess=", err)
	}
	for range 2 {
		fd := listen(t, path)
		if err := n.Send(Ready); err != nil {
			t.Error(err)
		}
		unix.Close(fd)
		if err := n.Send(Ready); !errors.Is(err, unix.ECONNREFUSED) || !strings.Contains(err.Error(), path) {
			t.Errorf("with the socket closed: %v; want ECONNREFUSED and %s", err, path)
		}
		os.Remove(path)
	}
}

// listen binds a datagram socket that stays unread.
func listen(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// stuck returns a Notifier whose manager has stopped reading, with the queue full of
// READY=1, and that manager's socket.
func stuck(t *testing.T, timeout time.Duration) (*Notifier, int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	fd := listen(t, path)
	t.Cleanup(func() { unix.Close(fd) })
	n, err := dial(path, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	for {
		peer := n.transport.(*unixPeer)
		_, err := unix.SendmsgN(peer.fd, []byte("READY=1"), nil, &peer.to, unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			return n, fd
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSendGivesUpOnStuckManager(t *testing.T) {
	checkDescriptors(t)
	n, _ := stuck(t, time.Millisecond)
	err := n.Send(Ready, Status("a"))
	if !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("error %v; want EAGAIN", err)
	}
	for _, want := range []string{"READY= STATUS=", n.Address(), "does not read"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestSendTimeoutIsSet(t *testing.T) {
	n := open(t, notifytest.Start(t))
	got, err := unix.GetsockoptTimeval(n.transport.(*unixPeer).fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err != nil || time.Duration(got.Nano()) != sendSlice || n.timeout != sendTimeout {
		t.Errorf("SO_SNDTIMEO = %v, %v, and all in all %v; want %v, and %v", got, err, n.timeout, sendSlice, sendTimeout)
	}
}

func TestSendClosedDescriptor(t *testing.T) {
	n := open(t, notifytest.Start(t))
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := n.Send(FDStore("a", fd)); !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "FDSTORE=") {
		t.Errorf("error %v; want EBADF that names FDSTORE=", err)
	}
}

func TestClose(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	n := open(t, m)
	for range 2 {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := n.Send(Ready); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Send after Close: %v; want os.ErrClosed", err)
	}
	if err := n.Post(Ready).Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Post after Close: %v; want os.ErrClosed", err)
	}
	if err := n.Barrier(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Barrier after Close: %v; want os.ErrClosed", err)
	}
	if n.Address() != m.Address() {
		t.Errorf("Address() = %q after Close", n.Address())
	}
}

func TestNilNotifier(t *testing.T) {
	var n *Notifier
	for name, err := range map[string]error{
		"Send":      n.Send(Ready),
		"Barrier":   n.Barrier(t.Context()),
		"KeepAlive": n.KeepAlive(t.Context(), time.Second, nil),
		"Post":      n.Post(Ready).Wait(t.Context()),
		"Flush":     n.Flush(t.Context()),
		"Close":     n.Close(),
	} {
		if err != nil {
			t.Errorf("%s of a nil Notifier: %v", name, err)
		}
	}
	if n.Address() != "" {
		t.Errorf("Address of a nil Notifier: %q", n.Address())
	}
}

func TestTake(t *testing.T) {
	checkDescriptors(t)
	m := notifytest.Start(t)
	t.Setenv("NOTIFY_SOCKET", m.Address())
	n, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.Address() != m.Address() {
		t.Errorf("Address() = %q; want %q", n.Address(), m.Address())
	}
	if value, set := os.LookupEnv("NOTIFY_SOCKET"); set {
		t.Errorf("NOTIFY_SOCKET is still set, to %q", value)
	}
	if again, err := Take(); again != nil || err != nil {
		t.Errorf("a second Take returned %v, %v; want nil, nil", again, err)
	}
}

func TestTakeEmptyAndMalformed(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if n, err := Take(); n != nil || err != nil {
		t.Errorf("empty: %v, %v; want nil, nil", n, err)
	}
	t.Setenv("NOTIFY_SOCKET", "relative/path")
	if n, err := Take(); n != nil || err == nil || !strings.Contains(err.Error(), `"relative/path"`) {
		t.Errorf("malformed: %v, %v; want an error that quotes it", n, err)
	}
	if _, set := os.LookupEnv("NOTIFY_SOCKET"); set {
		t.Error("a malformed NOTIFY_SOCKET is still set")
	}
}

// Another process, with the address in its environment, is seen as itself.
func TestTakeInAnotherProcess(t *testing.T) {
	m := notifytest.Start(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "NOTIFY_TEST_HELPER=ready", "NOTIFY_SOCKET="+m.Address())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := m.Wait(notifytest.Has("READY=1", "STATUS=from another process"))
	if got.PID != cmd.Process.Pid || got.UID != os.Getuid() || got.GID != os.Getgid() {
		t.Errorf("received %v, UID %d, GID %d; want PID %d", got, got.UID, got.GID, cmd.Process.Pid)
	}
}

// The keep-alive ping is sent for as long as the service lives: it makes no garbage.
func TestSendAllocatesNothing(t *testing.T) {
	n := &Notifier{transport: discard{}} // a manager in this process allocates too
	allocs := testing.AllocsPerRun(100, func() {
		if err := n.Send(Watchdog, Ready); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a ping; want 0", allocs)
	}
}

type discard struct{}

func (discard) send([]byte, []int) error { return nil }
func (discard) try([]byte, []int) error  { return nil }
func (discard) close() error             { return nil }
