// Package testkit helps unit tests of several packages to wait for a state, and to
// find descriptors and goroutines that a test leaves behind.
package testkit

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is long for everything that a unit test waits for.
const patience = 20 * time.Second

// Eventually waits for a state that only looking tells. It fails the test if the state
// does not come.
func Eventually(t *testing.T, state string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for this: %s", state)
		}
	}
}

// Within fails the test if f does not return.
func Within(t *testing.T, act string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s takes for ever", act)
	}
}

// CheckLeaks fails the test if it ends with more descriptors or goroutines than it began
// with. Call it first: cleanups run in reverse order.
func CheckLeaks(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe() // opens the runtime's poller, which stays
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	fds, routines := Descriptors("/proc/self/fd"), runtime.NumGoroutine()
	t.Cleanup(func() {
		Eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= routines })
		if after := Descriptors("/proc/self/fd"); len(after) > len(fds) {
			t.Errorf("descriptors at the start:\n%s\nat the end:\n%s", strings.Join(fds, "\n"), strings.Join(after, "\n"))
		}
	})
}

// Descriptors lists the descriptors of a process without the pollers of Go's runtime. dir
// is the process's directory fd, see proc(5).
func Descriptors(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var open []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			open = append(open, e.Name()+" → "+target)
		}
	}
	return open
}
