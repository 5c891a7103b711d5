package reload

import (
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// A Keeper that hangs is no reason not to stop, and a service that it keeps from
// serving ends, so that systemd can start it anew.
func TestAdoptHangs(t *testing.T) {
	for _, stops := range []bool{true, false} {
		u := startAs(t, "adopt-hangs", readyVariable+"=300ms")
		u.behave("adopt-fails")
		u.reload(1)
		testkit.Eventually(t, "the predecessor takes back", func() bool { return u.logged("adopting hangs") })
		if stops {
			u.signal(u.pid(1), unix.SIGTERM)
			u.manager.Wait(notifytest.Has("STOPPING=1"))
		}
		// Either way the state in the store is not marked as parked by this process.
		if status := u.exit(1); status != 1 {
			t.Errorf("exit status %d, stopped: %v", status, stops)
		}
	}
}

// An upgrade whose state cannot be parked fails: that state is out of reach.
func TestParkHangs(t *testing.T) {
	u := startAs(t, "park-hangs", readyVariable+"=300ms")
	u.reload(1)
	if status := u.exit(1); status != 1 {
		t.Errorf("exit status %d", status)
	}
	u.gone(2)
}

// The watchdog is not pinged for a service that is stuck.
func TestWatchdogSpeaksForTheLoop(t *testing.T) {
	u := startAs(t, "admit-hangs", "WATCHDOG_USEC=200000")
	u.manager.Wait(notifytest.Has("WATCHDOG=1"))
	u.dial() // which is admitted for ever, so that no gate can close
	u.behave("serve")
	u.reload(1)
	const stuck = "the service is stuck in an action, so its watchdog is not pinged"
	testkit.Eventually(t, "the loop is stuck", func() bool { return u.logged(stuck) })
	before, looks := pings(u), u.loggings(stuck)
	testkit.Eventually(t, "it is looked at a few times more", func() bool { return u.loggings(stuck) >= looks+5 })
	if after := pings(u); after != before {
		t.Errorf("%d pings for a service that is stuck", after-before)
	}
	u.signal(u.pid(1), unix.SIGKILL)
}

func pings(u *unit) (n int) {
	for _, m := range u.manager.Messages() {
		if notifytest.Has("WATCHDOG=1")(m) {
			n++
		}
	}
	return n
}
