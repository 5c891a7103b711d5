package reload

import (
	"testing"

	"github.com/instar-project/instar/internal/testkit"
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
		u.signal(u.pid(1), unix.SIGHUP) // a reload changes nothing
		stays.wantAnswer("1 stopping")
		stays.Close()
		if status := u.exit(1); status != 0 {
			t.Errorf("exit status %d", status)
		}
		u.wantSaid(saysReady(1), saysStopping(1, 1))
	}
}

// A second signal means that somebody does not want to wait for the drain.
func TestSecondSignalCuts(t *testing.T) {
	for _, first := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		for _, second := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
			u := start(t)
			stays := u.dial()
			stays.wantAnswer("1 serving")
			u.signal(u.pid(1), first)
			u.manager.Wait(notifytest.Has("STOPPING=1"))
			u.signal(u.pid(1), second)
			u.gone(1)
			if status := u.exit(1); status != 0 {
				t.Errorf("exit status %d", status)
			}
			u.wantSaid(saysReady(1), saysStopping(1, 1))
		}
	}
}

// The main process says it for the generations that drain. A signal that these get
// themselves may be that of systemd to the rest of the unit.
func TestSecondSignalCutsOlderGenerations(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	also := u.dial()
	also.wantAnswer("2 serving")
	testkit.Eventually(t, "the main process knows of the drain", func() bool { return also.ask("draining") == "1" })
	for range 3 {
		u.signal(u.pid(1), unix.SIGTERM)
		testkit.Eventually(t, "the predecessor knows of the stop", func() bool { return stays.who() == "1 stopping" })
	}
	u.signal(u.pid(2), unix.SIGTERM)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	stays.wantAnswer("1 stopping")
	u.signal(u.pid(2), unix.SIGTERM)
	for n := 1; n <= 2; n++ {
		u.gone(n)
		if status := u.exit(n); status != 0 {
			t.Errorf("generation %d: exit status %d", n, status)
		}
	}
}

// systemd signals every process of the unit, and a stand-in passes that on: it is one
// stop all the same.
func TestSignalToAStandInToo(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	after := u.dial()
	after.wantAnswer("2 serving")
	u.manager.HoldBarriers()
	stays.Close()
	standIn := u.standIn()
	u.signal(u.pid(2), unix.SIGTERM)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	u.signal(standIn, unix.SIGTERM)
	u.manager.ReleaseBarriers()
	u.wantNoStandIn(standIn)
	after.wantAnswer("2 stopping")
	u.signal(u.pid(2), unix.SIGTERM)
	u.gone(2)
	if status := u.exit(2); status != 0 {
		t.Errorf("exit status %d", status)
	}
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

// The unit stops while systemd has not confirmed the main process: both processes
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
