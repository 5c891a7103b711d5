package reload

import (
	"slices"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// A program that does not end after Serve is killed by the main process.
func TestLingeringGenerationIsKilled(t *testing.T) {
	u := startAs(t, "linger", standbyVariable+"=1ms", endVariable+"=1ms")
	u.behave("serve")
	u.upgrade(1)
	if status := u.exit(1); status != -1 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	testkit.Eventually(t, "the main process says so", func() bool {
		return u.logged("had not ended in time after its drain, and was killed: look at the program's code after Serve, or set Config.EndTimeout")
	})
	u.dial().wantAnswer("2 serving")
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
}

// So is one that somebody has stopped while it drains: it is known from the start.
func TestStoppedGenerationIsKilled(t *testing.T) {
	u := start(t, drainVariable+"=100ms", endVariable+"=100ms")
	before := u.dial()
	before.wantAnswer("1 serving")
	u.upgrade(1)
	testkit.Eventually(t, "the predecessor drains", func() bool { return u.logged("draining") })
	u.signal(u.pid(1), unix.SIGSTOP)
	if status := u.exit(1); status != -1 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	u.dial().wantAnswer("2 serving")
}

// A generation of before the last one is known to its successor's successor, even if
// no process is left to introduce them.
func TestStoppedElderIsKilled(t *testing.T) {
	u := start(t, drainVariable+"=1s", endVariable+"=100ms")
	u.dial().wantAnswer("1 serving")
	u.upgrade(1)
	testkit.Eventually(t, "the predecessor drains", func() bool { return u.logged("draining") })
	u.signal(u.pid(1), unix.SIGSTOP)
	u.upgrade(2)
	u.gone(1)
	u.dial().wantAnswer("3 serving")
}

// As long as a generation that has served is there, it is the parent of the main
// process, whose death systemd does not see. It does not stay then.
func TestLingeringGenerationEndsWithTheMainProcess(t *testing.T) {
	u := startAs(t, "linger", standbyVariable+"=1ms")
	u.behave("serve")
	u.upgrade(1)
	testkit.Eventually(t, "the predecessor has served", func() bool { return u.logged("lingers") })
	u.signal(u.pid(2), unix.SIGKILL)
	if status := u.exit(1); status != -1 {
		t.Errorf("the predecessor exits with status %d", status)
	}
}

// A predecessor that has nothing to drain stays for a while to take back.
func TestIdlePredecessorTakesBack(t *testing.T) {
	u := start(t)
	u.upgrade(1)
	u.signal(u.pid(2), unix.SIGKILL)
	u.manager.Wait(isMainAgain)
	u.manager.Wait(notifytest.Has("READY=1"))
	u.dial().wantAnswer("1 serving")
}

// But not when its successor is followed in turn: it could not take back any more.
func TestIdlePredecessorMakesRoom(t *testing.T) {
	u := start(t, standbyVariable+"=1m")
	u.upgrade(1)
	u.upgrade(2)
	u.gone(1)
	u.dial().wantAnswer("3 serving")
}

// SIGHUP to the whole unit may meet a successor before it can handle that.
func TestStrayedSuccessor(t *testing.T) {
	u := start(t)
	u.behave("hangup 2 " + t.TempDir() + "/tries")
	u.upgrade(1)
	if pids := u.generations(); len(pids) != 4 {
		t.Errorf("%d processes were started", len(pids))
	}
	u.dial().wantAnswer("2 serving")
	if said := u.transcript(); slices.ContainsFunc(said, func(s string) bool { return s == "#1: READY=1" }) {
		t.Errorf("systemd was told of a failure: %q", said)
	}
}

// One that ends so every time is a bad build.
func TestStrayedSuccessorGivesUp(t *testing.T) {
	u := start(t)
	u.behave("hangup 100 " + t.TempDir() + "/tries")
	u.reload(1)
	u.manager.Wait(notifytest.Has("READY=1"))
	u.dial().wantAnswer("1 serving")
	if pids := u.generations(); len(pids) != 1+maxStarts {
		t.Errorf("%d processes were started", len(pids))
	}
}
