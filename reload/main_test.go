package reload

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// behaviourVariable makes the test binary the service that is tested: see
// helper_test.go.
const behaviourVariable = "RELOAD_TEST_BEHAVIOUR"

func TestMain(m *testing.M) {
	if file := os.Getenv(behaviourVariable); file != "" {
		os.Exit(behave(file))
	}
	// What the shell that runs the tests has left open is not the service's.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close_range:", err)
		os.Exit(1)
	}
	// As systemd is: whoever loses its predecessor becomes a child of this process.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "prctl(PR_SET_CHILD_SUBREAPER):", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// checkLeaks fails the test if it ends with more descriptors or goroutines than
// it began with. Call it first: cleanups run in reverse order.
func checkLeaks(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe() // opens the runtime's poller, which stays
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	fds, routines := descriptors("/proc/self/fd"), runtime.NumGoroutine()
	t.Cleanup(func() {
		eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= routines })
		if after := descriptors("/proc/self/fd"); len(after) > len(fds) {
			t.Errorf("descriptors at the start:\n%s\nat the end:\n%s", strings.Join(fds, "\n"), strings.Join(after, "\n"))
		}
	})
}

// descriptors lists what a process has open, the pollers of the runtime left out.
func descriptors(dir string) []string {
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
