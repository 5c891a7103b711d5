package reload

import (
	"testing"

	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

func TestStopWhileServing(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		u := start(t)
		stays := u.dial()
		stays.wantAnswer("1 serving")
		u.signal(u.pid(1), signal)
		u.manager.Wait(notifytest.Has("STOPPING=1"))
		u.signal(u.pid(1), unix.SIGTERM) // a second one changes nothing
		u.signal(u.pid(1), unix.SIGHUP)  // nor does a reload
		stays.wantAnswer("1 stopping")
		stays.Close()
		if status := u.exit(1); status != 0 {
			t.Errorf("exit status %d", status)
		}
		u.wantSaid(saysReady(1), saysStopping(1, 1))
	}
}

// Whoever presses Ctrl-C a second time does not want to wait for the drain.
func TestSecondInterruptCuts(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.signal(u.pid(1), unix.SIGINT)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	u.signal(u.pid(1), unix.SIGINT)
	u.gone(1)
	if status := u.exit(1); status != 0 {
		t.Errorf("exit status %d", status)
	}
	u.wantSaid(saysReady(1), saysStopping(1, 1))
}

func TestStopWithASuccessorInitialising(t *testing.T) {
	u := start(t)
	u.behave("hang")
	u.reload(1)
	u.pid(2)
	u.signal(u.pid(1), unix.SIGTERM)
	u.gone(2)
	if status := u.exit(1); status != 0 {
		t.Errorf("exit status %d", status)
	}
	u.wantSaid(saysReady(1), saysReloading(1, 1), saysStopping(1, 1))
}

// The unit stops while systemd has not confirmed who is main: both processes
// are told, as KillMode=control-group does it.
func TestStopInTheTakeover(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.manager.HoldBarriers()
	u.reload(1)
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	u.manager.Wait(notifytest.Has("BARRIER=1"))
	for _, n := range []int{1, 2} {
		u.signal(u.pid(n), unix.SIGTERM)
	}
	u.gone(2)
	stays.wantAnswer("1 stopping")
	u.manager.ReleaseBarriers()
	stays.Close()
	if status := u.exit(1); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// The unit stops while the predecessor drains: it says nothing and takes
// nothing back, though its successor goes.
func TestStopWhileDraining(t *testing.T) {
	for name, order := range map[string][]int{"predecessor first": {1, 2}, "successor first": {2, 1}, "successor alone": {2}} {
		t.Run(name, func(t *testing.T) {
			u := start(t)
			stays := u.dial()
			stays.wantAnswer("1 serving")
			u.upgrade(1)
			u.dial().wantAnswer("2 serving")
			for _, n := range order {
				u.signal(u.pid(n), unix.SIGTERM)
			}
			for _, n := range order {
				if n == 2 {
					u.manager.Wait(notifytest.Has("STOPPING=1"))
				}
			}
			if got := stays.who(); got != "1 draining" && got != "1 stopping" {
				t.Errorf("%s answers", got)
			}
			stays.Close()
			if status := u.exit(1); status != 0 {
				t.Errorf("the predecessor exits with status %d", status)
			}
		})
	}
}
