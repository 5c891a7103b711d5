package fdstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore/storetest"
	"github.com/instar-project/instar/notify"
)

// The test binary is also the process that dies: TestMain runs the helper that this
// variable names, if it is set.
const helperVariable = "FDSTORE_TEST_HELPER"

var helpers = map[string]func() error{
	"recover": helpRecover,
	"churn":   helpChurn,
	"append":  helpAppend,
	"limit":   helpLimit,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// nextGeneration opens a Store as a freshly started main process does.
func nextGeneration(t testing.TB, m *storetest.Manager, sockets ...string) *Store {
	t.Helper()
	var entries []activation.Entry
	for _, e := range m.Pass() {
		entries = append(entries, activation.Entry{Name: e.Name, FD: e.FD})
	}
	n, err := notify.Dial(m.Address())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Entries: entries, Notifier: n, Max: m.Max(), Sockets: sockets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); n.Close() })
	return s
}

// descriptors counts what this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		// The poller's come when they come.
		target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if !strings.HasPrefix(target, "anon_inode:") {
			n++
		}
	}
	return n
}

// noLeaks fails the test if it ends with more descriptors than it has now. What
// is cleaned up by a Cleanup of a later call is gone by then.
func noLeaks(t testing.TB) {
	t.Helper()
	before := descriptors(t)
	t.Cleanup(func() {
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors leaked", after-before)
		}
	})
}

// file makes a descriptor of its own.
func file(t testing.TB) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// identify makes a memfd with a size of its own: what it was can be told later.
func identify(t testing.TB, n int) int {
	t.Helper()
	fd, err := unix.MemfdCreate("identity", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, int64(n)); err != nil {
		t.Fatal(err)
	}
	return fd
}

func identity(t testing.TB, fd int) int {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return int(st.Size)
}

func background() context.Context { return context.Background() }
