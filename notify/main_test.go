package notify

import (
	"fmt"
	"os"
	"testing"
)

// helpers are the roles of the test binary when it runs itself as another process.
var helpers = map[string]func() error{
	"ready": func() error {
		n, err := Take()
		if err != nil {
			return err
		}
		defer n.Close()
		if _, set := os.LookupEnv("NOTIFY_SOCKET"); set {
			return fmt.Errorf("Take left NOTIFY_SOCKET set")
		}
		return n.Send(Ready, Status("from another process"))
	},
}

func TestMain(m *testing.M) {
	if helper, ok := helpers[os.Getenv("NOTIFY_TEST_HELPER")]; ok {
		if err := helper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// checkDescriptors fails the test if it ends with more open descriptors than it
// began with. Call it first: cleanups run in reverse order.
func checkDescriptors(t *testing.T) {
	t.Helper()
	warmUp(t)
	before := descriptors(t)
	t.Cleanup(func() {
		if after := descriptors(t); len(after) > len(before) {
			t.Errorf("descriptors leaked: %v before, %v after", before, after)
		}
	})
}

// warmUp makes the runtime open its poller, which it keeps.
func warmUp(t *testing.T) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
}

func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, e := range entries {
		// The directory itself is among them, and gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open = append(open, e.Name()+"="+target)
		}
	}
	return open
}
