package reload

import (
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"
)

// The reload signal is taken back from a program that does something else with it.
func TestReloadSignalTakenAway(t *testing.T) {
	u := startAs(t, "ignore")
	testkit.Eventually(t, "it is taken back", func() bool { return u.logged("SIGHUP is handled again") })
	if !u.logged("leave that signal to package reload") {
		t.Error("nobody is told")
	}
	u.behave("serve")
	u.upgrade(1)
	u.dial().wantAnswer("2 serving")
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
}
