package reload

import (
	"fmt"
	"math"
	"os"
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
	// Descriptors that the shell of the tests has left open are not the service's.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close_range:", err)
		os.Exit(1)
	}
	// Like systemd, this process becomes the parent of a process that loses its
	// predecessor.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "prctl(PR_SET_CHILD_SUBREAPER):", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
