package reload

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// standIn waits until a stand-in is named, and returns its PID.
func (u *unit) standIn() int {
	u.t.Helper()
	named := u.manager.Wait(func(m notifytest.Message) bool {
		_, main := m.Get("MAINPID")
		_, status := m.Get("STATUS") // which comes with the name of a successor
		return main && !status && notifytest.Has("NOTIFYACCESS=all")(m)
	})
	text, _ := named.Get("MAINPID")
	pid, err := strconv.Atoi(text)
	if err != nil {
		u.t.Fatal(err)
	}
	return pid
}

func (u *unit) wantNoStandIn(pid int) {
	u.t.Helper()
	testkit.Eventually(u.t, "the stand-in has gone", func() bool { return errors.Is(unix.Kill(pid, 0), unix.ESRCH) })
}

// If there can be no stand-in now, there may be one later.
func TestSettlingIsTriedAgain(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.behave("no-stand-in processes are left")
	u.upgrade(1)
	after := u.dial()
	after.wantAnswer("2 serving")
	stays.Close()
	u.wantNoStandIn(u.standIn())
	testkit.Eventually(t, "it has settled", func() bool { return after.ask("unsettled") == "<nil>" })
	var warnings int
	u.mu.Lock()
	for _, line := range u.log {
		if line["level"] == "WARN" && line["error"] == "no processes are left" {
			warnings++
		}
	}
	u.mu.Unlock()
	if warnings != 1 {
		t.Errorf("%d warnings, want one", warnings)
	}
}

// A stand-in needs no descriptor; to know that systemd has read of it takes some. It
// lives until then.
func TestSettlingWithoutDescriptors(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	after := u.dial()
	after.wantAnswer("2 serving")
	if err := after.ask("fill"); err != "<nil>" {
		t.Fatal(err)
	}
	stays.Close()
	standIn := u.standIn()
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	testkit.Eventually(t, "it says why it has not settled", func() bool {
		return strings.Contains(after.ask("unsettled"), "too many open files")
	})
	if err := unix.Kill(standIn, 0); err != nil {
		t.Errorf("the stand-in: %v", err)
	}
	if err := after.ask("empty"); err != "<nil>" {
		t.Fatal(err)
	}
	u.wantNoStandIn(standIn)
	testkit.Eventually(t, "it has settled", func() bool { return after.ask("unsettled") == "<nil>" })
}

// Between the end of the predecessor and the barrier systemctl stop would not wait for
// the main process, if that were the only one of the unit.
func TestStandInBeforeThePredecessorEnds(t *testing.T) {
	u := startAs(t, "serve", standbyVariable+"=1ms")
	u.behave("tells-stand-in")
	u.upgrade(1)
	u.exit(1)
	testkit.Eventually(t, "there was a stand-in before", func() bool {
		return u.logged(fmt.Sprint("a stand-in for a child of ", u.pid(1)))
	})
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	u.dial().wantAnswer("2 serving")
}
