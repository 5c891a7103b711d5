package notifytest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/notify/notifytest"
)

// send is a client of the barest kind: one datagram.
func send(t *testing.T, m *notifytest.Manager, text string, fds ...int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(fd, []byte(text), rights, &unix.SockaddrUnix{Name: m.Address()}, 0); err != nil {
		t.Fatal(err)
	}
}

// barrier sends a barrier and returns a channel that is closed at the answer.
func barrier(t *testing.T, m *notifytest.Manager) <-chan struct{} {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	send(t, m, "BARRIER=1", int(w.Fd()))
	w.Close()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		defer r.Close()
		r.Read(make([]byte, 1))
	}()
	return answered
}

func TestRecordsInOrder(t *testing.T) {
	m := notifytest.Start(t)
	for i := range 5 {
		send(t, m, fmt.Sprintf("X_N=%d", i))
	}
	<-barrier(t, m)
	var got []string
	for _, message := range m.Messages() {
		got = append(got, message.Text)
		if message.PID != os.Getpid() || message.UID != os.Getuid() || message.GID != os.Getgid() {
			t.Errorf("%v has UID %d, GID %d", message, message.UID, message.GID)
		}
	}
	if want := []string{"X_N=0", "X_N=1", "X_N=2", "X_N=3", "X_N=4", "BARRIER=1"}; !slices.Equal(got, want) {
		t.Errorf("recorded %q; want %q", got, want)
	}
}

func TestMessage(t *testing.T) {
	m := notifytest.Message{Text: "READY=1\nSTATUS=a=b\nMAINPID="}
	for key, want := range map[string]string{"READY": "1", "STATUS": "a=b", "MAINPID": ""} {
		if got, ok := m.Get(key); got != want || !ok {
			t.Errorf("Get(%q) = %q, %v; want %q", key, got, ok, want)
		}
	}
	for _, key := range []string{"", "STAT", "PID", "TATUS"} {
		if got, ok := m.Get(key); ok {
			t.Errorf("Get(%q) = %q", key, got)
		}
	}
	for _, test := range []struct {
		assignments []string
		want        bool
	}{
		{nil, true},
		{[]string{"READY=1"}, true},
		{[]string{"STATUS=a=b", "READY=1"}, true},
		{[]string{"READY=1", "STOPPING=1"}, false},
		{[]string{"READY="}, false},
	} {
		if got := notifytest.Has(test.assignments...)(m); got != test.want {
			t.Errorf("Has(%q) = %v", test.assignments, got)
		}
	}
}

// Wait goes forward: the same text again means a new message.
func TestWait(t *testing.T) {
	m := notifytest.StartAbstract(t)
	for _, text := range []string{"READY=1", "RELOADING=1", "READY=1\nSTATUS=second"} {
		send(t, m, text)
	}
	m.Wait(notifytest.Has("READY=1"))
	if got := m.Wait(notifytest.Has("READY=1")); got.Text != "READY=1\nSTATUS=second" {
		t.Errorf("the second READY=1 is %v", got)
	}
	arrived := make(chan notifytest.Message)
	go func() {
		got, err := m.WaitContext(t.Context(), notifytest.Has("STOPPING=1"))
		if err != nil {
			t.Error(err)
		}
		arrived <- got
	}()
	send(t, m, "STOPPING=1")
	if got := <-arrived; got.Text != "STOPPING=1" {
		t.Errorf("waited for %v", got)
	}
}

func TestWaitSaysWhatCameInstead(t *testing.T) {
	m := notifytest.Start(t)
	send(t, m, "STATUS=loading")
	<-barrier(t, m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.WaitContext(ctx, notifytest.Has("READY=1"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "STATUS=loading") {
		t.Errorf("error %v", err)
	}
}

func TestDescriptorsAreKept(t *testing.T) {
	m := notifytest.Start(t)
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte("state")); err != nil {
		t.Fatal(err)
	}
	send(t, m, "FDSTORE=1\nFDNAME=a", fd)
	unix.Close(fd)
	got := m.Wait(notifytest.Has("FDSTORE=1"))
	buf := make([]byte, 16)
	n, err := unix.Pread(got.FDs[0], buf, 0)
	if err != nil || string(buf[:n]) != "state" {
		t.Errorf("read %q, %v", buf[:max(n, 0)], err)
	}
}

// At the end of a test the manager leaves nothing behind.
func TestCleanup(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	// The first use of the poller opens descriptors for good.
	t.Run("first", func(t *testing.T) { <-barrier(t, notifytest.Start(t)) })
	before := count()
	var address string
	t.Run("second", func(t *testing.T) {
		m := notifytest.Start(t)
		address = m.Address()
		m.HoldBarriers()
		send(t, m, "FDSTORE=1", 0, 1, 2)
		send(t, m, "BARRIER=1", 0)
		m.Wait(notifytest.Has("BARRIER=1"))
	})
	if after := count(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if _, err := os.Stat(address); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v; want it gone", address, err)
	}
}

func TestHoldBarriers(t *testing.T) {
	m := notifytest.Start(t)
	m.HoldBarriers()
	first := barrier(t, m)
	m.Wait(notifytest.Has("BARRIER=1"))
	second := barrier(t, m)
	m.Wait(notifytest.Has("BARRIER=1"))
	for _, answered := range []<-chan struct{}{first, second} {
		select {
		case <-answered:
			t.Error("a held barrier was answered")
		default:
		}
	}
	m.ReleaseBarriers()
	<-first
	<-second
	<-barrier(t, m)
}

func TestDiscard(t *testing.T) {
	m := notifytest.Start(t)
	m.Discard()
	send(t, m, "FDSTORE=1", 0)
	<-barrier(t, m)
	if got := m.Messages(); len(got) != 0 {
		t.Errorf("recorded %v", got)
	}
}

// recorder stands in for a test that is expected to fail.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// A message that systemd would drop for its form is an error of the test.
func TestReportsWhatSystemdIgnores(t *testing.T) {
	for _, test := range []struct {
		name, text string
		fds        []int
		want       string
	}{
		{"too long", strings.Repeat("a", 4097), nil, "longer than 4096"},
		{"NUL", "READY=1\x00STATUS=a", nil, "NUL"},
		{"empty", "", nil, "empty"},
		{"barrier without descriptor", "BARRIER=1", nil, "exactly one"},
		{"barrier with two", "BARRIER=1", []int{0, 1}, "exactly one"},
		{"barrier beside others", "READY=1\nBARRIER=1", []int{0}, "of its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{TB: t}
			m := notifytest.Start(r)
			send(t, m, test.text, test.fds...)
			<-barrier(t, m)
			r.mu.Lock()
			defer r.mu.Unlock()
			if len(r.errors) != 1 || !strings.Contains(r.errors[0], test.want) {
				t.Errorf("errors %q; want one that says %q", r.errors, test.want)
			}
			if got := m.Messages(); len(got) != 1 {
				t.Errorf("recorded %v; want only the barrier", got)
			}
		})
	}
}

// The double satisfies systemd's own client, which would not end without an answer to
// its barrier.
func TestSystemdNotify(t *testing.T) {
	tool, err := exec.LookPath("systemd-notify")
	if err != nil {
		t.Skip("systemd-notify is not installed")
	}
	self := fmt.Sprint(os.Getpid())
	for name, start := range map[string]func(testing.TB) *notifytest.Manager{
		"path":     notifytest.Start,
		"abstract": notifytest.StartAbstract,
	} {
		t.Run(name, func(t *testing.T) {
			m := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, tool, "--ready", "--status=from systemd-notify", "--pid="+self, "X_OWN=1")
			cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.Address())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			m.Wait(notifytest.Has("READY=1", "STATUS=from systemd-notify", "MAINPID="+self, "X_OWN=1"))
			last := m.Wait(notifytest.Has("BARRIER=1"))
			if last.UID != os.Getuid() || last.PID == 0 {
				t.Errorf("credentials: %v, UID %d", last, last.UID)
			}
		})
	}
}

// A sender that knows nothing of the protocol does no harm.
func TestStrayDatagram(t *testing.T) {
	m := notifytest.Start(t)
	conn, err := net.Dial("unixgram", m.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	m.Wait(func(message notifytest.Message) bool { return message.Text == "hello" })
}
