package reload

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

func isMainAgain(m notifytest.Message) bool {
	_, ok := m.Get("MAINPID")
	return ok && !notifytest.Has("NOTIFYACCESS=all")(m)
}

func TestUpgrade(t *testing.T) {
	u := start(t)
	before := u.dial()
	before.wantAnswer("1 serving")
	u.wantDatagrams("1")

	if n := u.upgrade(1); n != 2 {
		t.Fatalf("process %d is main", n)
	}
	after := u.dial()
	after.wantAnswer("2 serving")
	u.wantDatagrams("2")
	// The predecessor finishes the connections that it has accepted, and goes then.
	before.wantAnswer("1 draining")
	before.Close()
	if status := u.exit(1); status != 0 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	after.wantAnswer("2 serving")

	u.signal(u.pid(2), unix.SIGTERM)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	after.wantAnswer("2 stopping")
	after.Close()
	if status := u.exit(2); status != 0 {
		t.Errorf("the successor exits with status %d", status)
	}
	u.wantSaid(
		saysReady(1),
		saysReloading(1, 1),
		saysReadyFirst(1),
		saysTakeover(1, 2, 2),
		saysBarrier(1),
		saysSettled(2),
		saysStopping(2, 2),
	)
}

// A generation is left as small as the one before it.
func TestUpgradesLeaveNothingBehind(t *testing.T) {
	u := start(t)
	size := func(n int) size {
		c := u.dial()
		defer c.Close()
		c.wantAnswer(fmt.Sprint(n, " serving"))
		return c.askSize()
	}
	next := func(n int) {
		u.upgrade(n)
		u.exit(n)
		u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	}
	next(1)
	small := size(2)
	for n := 2; n < 6; n++ {
		next(n)
	}
	testkit.Eventually(t, "the sixth generation is as small as the second", func() bool { return size(6).within(small) })
}

// Nothing that goes wrong with a successor before it is main is felt outside,
// and the next one may do better.
func TestFailedUpgrade(t *testing.T) {
	const (
		crashed = "the successor ended: PID #2 "
		garbled = "the successor does not speak the handover protocol"
	)
	for _, c := range []struct {
		name, behaviour, why string
		errno                int
		environ              string
		words                string // which follow in the log alone
	}{
		{"crash", "exit 7", crashed + "exited with status 7", 10, "", ""},
		{"exit without a word", "exit 0", crashed + "exited with status 0", 10, "", ""},
		{"panic", "panic", crashed + "exited with status 2", 10, "", "panic: oh"},
		{"panic before Serve", "panic-main", crashed + "exited with status 2, without a call of Serve", 10, "", "panic: postgres://me:secret@db"},
		{"return without Serve", "return", crashed + "exited with status 0, without a call of Serve", 10, "", ""},
		{"Close and no end", "close", "the successor refused: it ended without a call of Serve", 125, "", ""},
		{"a socket that is not there", "ask nothing", `the successor refused: activation: Listener("nothing"): no socket of that name was passed, only "echo", "udp": set FileDescriptorName=nothing in its .socket unit, then restart it and the service: an upgrade hands over only the sockets that the predecessor has`, 125, "", ""},
		{"a socket that is not there, and more", "ask-more nothing", `the successor refused: activation: Listener("nothing"): no socket of that name was passed, only "echo", "udp": set FileDescriptorName=nothing in its .socket unit, then restart it and the service: an upgrade hands over only the sockets that the predecessor has`, 125, "", `the successor refused: first that: activation: Listener("nothing"): no socket of that name was passed, only "echo", "udp": set FileDescriptorName=nothing in its .socket unit, then restart it and the service: an upgrade hands over only the sockets that the predecessor has, then this`},
		{"hang", "hang", "the successor was not ready in time: PID #2 has not called Serve within 300ms (Config.ReadyTimeout)", 110, readyVariable + "=300ms", ""},
		{"refusal", `refuse bad config\nREADY=1\nSTOPPING=1`, "the successor refused", 125, "", "bad config READY=1 STOPPING=1"},
		{"an error that run returns", "return-error bad config", "the successor refused", 125, "", "bad config"},
		{"another error than that of a getter", "return-other bad config", "the successor refused", 125, "", "bad config"},
		{"refusal with an errno", "open /nowhere", "the successor refused: no such file or directory", 2, "", ""},
		{"public refusal", "refuse bad config", "the successor refused: bad config", 125, publicVariable + "=1", ""},
		{"public panic", "panic-main", crashed + "exited with status 2, without a call of Serve: panic: postgres://me:secret@db", 10, publicVariable + "=1", ""},
		{"long refusal", "refuse " + strings.Repeat("x", 5000), "", 125, publicVariable + "=1", ""},
		{"garbage", "say {]", garbled, 71, "", "handover: \"{]\" is no message: invalid character ']' looking for beginning of object key string"},
		{"another protocol", "major-2", garbled + ": handover: the other generation speaks protocol 1.0, this one 2.0: upgrade through a release that speaks both, or restart the unit", 71, "", ""},
		{"ready in another protocol", `say {"type":"ready","protocol":{"major":2,"minor":1},"build":["other","shape"]}`, garbled + ": handover: the other generation speaks protocol 2.1, this one 1.0: upgrade through a release that speaks both, or restart the unit", 71, "", ""},
		{"refusal of an earlier version", `say {"type":"refuse","protocol":{"major":1,"minor":0},"reason":"no secret"}`, "the successor refused", 125, "", "no secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := start(t, c.environ)
			stays := u.dial()
			size := stays.askSize()
			u.behave(c.behaviour)
			u.reload(1)
			failed := u.manager.Wait(notifytest.Has("READY=1"))
			u.gone(2)
			stays.wantAnswer("1 serving")
			u.wantDatagrams("1")
			if status, _ := failed.Get("STATUS"); c.why == "" && len(status) > 1024 {
				t.Errorf("STATUS= of %d bytes", len(status))
			}
			if c.why != "" {
				u.wantSaid(saysReady(1), saysReloading(1, 1), saysFailed(c.why, c.errno))
			}
			if c.words != "" {
				testkit.Eventually(t, "the log has the words", func() bool { return u.logged(": " + c.words) })
			}
			testkit.Eventually(t, "no descriptor and no goroutine is left of the attempt", func() bool { return stays.askSize().within(size) })
		})
	}
}

// A server that fails as soon as the successor is ready does so before, in or after
// the takeover. The predecessor, which still drains, serves in the end.
func TestAServerThatFails(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.behave("fail")
	u.reload(1)
	u.manager.Wait(func(m notifytest.Message) bool {
		status, _ := m.Get("STATUS")
		return notifytest.Has("READY=1")(m) && strings.Contains(status, "generation 1 (test) serv")
	})
	u.gone(2)
	stays.wantAnswer("1 serving")
	u.dial().wantAnswer("1 serving")
	u.wantDatagrams("1")
}

func TestUpgradeAfterAFailure(t *testing.T) {
	u := start(t)
	u.behave("exit 1")
	u.reload(1)
	u.manager.Wait(notifytest.Has("READY=1", "ERRNO=10"))
	u.behave("serve")
	if n := u.upgrade(1); n != 3 {
		t.Fatalf("process %d is main", n)
	}
	c := u.dial()
	c.wantAnswer("2 serving") // a generation is one that has served
	if status := u.exit(1); status != 0 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
}

// Nothing to start is a failure like any other.
func TestNoSuchBinary(t *testing.T) {
	u := start(t)
	for _, c := range []struct{ target, why string }{
		{"/nonexistent", "no such file or directory | ERRNO=2"},
		{"/etc/passwd", "permission denied | ERRNO=13"},
	} {
		u.install(c.target)
		u.reload(1)
		m := u.manager.Wait(notifytest.Has("READY=1"))
		status, _ := m.Get("STATUS")
		errno, _ := m.Get("ERRNO")
		why, errnoWanted, _ := strings.Cut(c.why, " | ERRNO=")
		want := "upgrade failed: no successor could be started: fork/exec " + u.path + ": " + why + "; generation 1 (test) serves on"
		if status != want || errno != errnoWanted {
			t.Errorf("%s: STATUS=%s ERRNO=%s, want %s and %s", c.target, status, errno, want, errnoWanted)
		}
	}
	u.dial().wantAnswer("1 serving")
}

// The open descriptors and the environment of a successor, seen from outside, in a
// program without this library.
func TestWhatASuccessorInherits(t *testing.T) {
	u := start(t, "WATCHDOG_USEC=60000000", "WATCHDOG_PID=1", "KEPT=yes")
	stays := u.dial()
	stays.wantAnswer("1 serving")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	u.install(sleep)
	u.reload(1)
	proc := fmt.Sprintf("/proc/%d", u.pid(2)) // which is logged after the exec
	var open []string
	testkit.Eventually(t, "it has closed its own files, libraries", func() bool {
		open = testkit.Descriptors(proc + "/fd")
		return len(open) <= 4
	})
	if len(open) != 4 || !strings.HasPrefix(open[3], "3 → socket:") {
		t.Errorf("it has open:\n%s", strings.Join(open, "\n"))
	}
	if command, _ := os.ReadFile(proc + "/cmdline"); string(command) != u.path+"\x00600\x00" {
		t.Errorf("command line %q", command)
	}
	environ, err := os.ReadFile(proc + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for kv := range strings.SplitSeq(string(environ), "\x00") {
		key, _, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"LISTEN_", "WATCHDOG_", "NOTIFY_SOCKET", "INSTAR_", "KEPT"} {
			if strings.HasPrefix(key, prefix) {
				found = append(found, kv)
			}
		}
	}
	slices.Sort(found)
	if want := []string{"INSTAR_HANDOVER_FD=3", "KEPT=yes", "NOTIFY_SOCKET=" + u.manager.Address(), "WATCHDOG_USEC=60000000"}; !slices.Equal(found, want) {
		t.Errorf("environment %q, want %q", found, want)
	}
	u.signal(u.pid(2), unix.SIGKILL)
	u.manager.Wait(notifytest.Has("READY=1"))
	stays.wantAnswer("1 serving")
	u.wantSaid(saysReady(1), saysReloading(1, 1), saysFailed("the successor ended: PID #2 was killed by SIGKILL", 10))
}

func TestTwoReloadsBackToBack(t *testing.T) {
	u := start(t)
	first := u.dial()
	first.wantAnswer("1 serving")
	u.upgrade(1)
	// systemd sends it as soon as it has read READY=1; the successor may not
	// have been told yet that it is main.
	u.upgrade(2)
	u.dial().wantAnswer("3 serving")
	u.gone(2)
	// Only the latest predecessor may take back.
	first.wantAnswer("1 draining")
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	first.Close()
	if status := u.exit(1); status != 0 {
		t.Errorf("the first generation exits with status %d", status)
	}
	u.dial().wantAnswer("3 serving")
	u.wantSaid(
		saysReady(1),
		saysReloading(1, 1), saysReadyFirst(1), saysTakeover(1, 2, 2), saysBarrier(1),
		saysReloading(2, 2), saysReadyFirst(2), saysTakeover(2, 3, 3), saysBarrier(2),
		saysSettled(3),
	)
}

// systemd may send the next reload signal to a process whose MAINPID= for its
// successor it has not read yet.
func TestReloadIsPassedOn(t *testing.T) {
	u := start(t)
	u.manager.HoldBarriers()
	u.reload(1)
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	second := u.dial()
	second.wantAnswer("2 serving")
	second.Close()
	u.signal(u.pid(1), unix.SIGHUP)
	u.manager.Wait(notifytest.Has("RELOADING=1"))
	u.manager.ReleaseBarriers()
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	u.gone(1)
	u.gone(2)
	u.dial().wantAnswer("3 serving")
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	if n := len(u.generations()); n != 3 {
		t.Errorf("%d processes were started", n)
	}
}

// A reload asked for while one is under way is answered like that one, and starts nothing.
func TestReloadsDoNotPileUp(t *testing.T) {
	u := start(t)
	fifo := filepath.Join(t.TempDir(), "go")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	u.behave("wait " + fifo)
	u.reload(1)
	for range 2 {
		u.signal(u.pid(1), unix.SIGHUP)
		u.manager.Wait(notifytest.Has("RELOADING=1"))
	}
	// Open for writing waits for the successor, which waits for it.
	var err error
	testkit.Within(t, "the successor", func() {
		var f *os.File
		if f, err = os.OpenFile(fifo, os.O_WRONLY, 0); err == nil {
			f.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	u.manager.Wait(notifytest.Has("READY=1"))
	if status := u.exit(1); status != 0 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	u.dial().wantAnswer("2 serving")
	if n := len(u.generations()); n != 2 {
		t.Errorf("%d processes were started", n)
	}
	u.wantSaid(
		saysReady(1),
		saysReloading(1, 1), saysReloading(1, 1), saysReloading(1, 1),
		saysReadyFirst(1), saysTakeover(1, 2, 2), saysBarrier(1), saysSettled(2))
}

func TestTakeBack(t *testing.T) {
	u := start(t)
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	lost := u.dial()
	lost.wantAnswer("2 serving")
	stays.wantAnswer("1 draining")

	u.signal(u.pid(2), unix.SIGKILL)
	u.manager.Wait(isMainAgain)
	u.manager.Wait(notifytest.Has("READY=1"))
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	u.dial().wantAnswer("1 serving")
	u.wantDatagrams("1")
	stays.wantAnswer("1 serving")
	u.wantSaid(
		saysReady(1),
		saysReloading(1, 1),
		saysReadyFirst(1),
		saysTakeover(1, 2, 2),
		saysBarrier(1),
		saysMainAgain(1),
		"#1: READY=1 | STATUS=generation 1 (test) serving; took back from generation 2: the successor ended: PID #2 was killed by SIGKILL | ERRNO=0",
		"#1: NOTIFYACCESS=main",
	)

	// And the next release is better.
	if n := u.upgrade(1); n != 3 {
		t.Fatalf("process %d is main", n)
	}
	u.dial().wantAnswer("2 serving")
}

// A predecessor that dies when its successor may be main already leaves the
// service in good hands.
func TestPredecessorDiesInTheTakeover(t *testing.T) {
	u := start(t)
	u.manager.HoldBarriers()
	u.reload(1)
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	u.manager.Wait(notifytest.Has("BARRIER=1"))
	waits := u.dial() // no generation accepts yet
	u.signal(u.pid(1), unix.SIGKILL)
	u.exit(1)
	u.manager.Wait(isMainAgain)
	u.manager.Wait(notifytest.Has("READY=1"))
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
	waits.wantAnswer("2 serving")
	u.wantSaid(
		saysReady(1),
		saysReloading(1, 1),
		saysReadyFirst(1),
		saysTakeover(1, 2, 2),
		saysBarrier(1),
		saysMainAgain(2),
		saysReady(2),
		saysSettled(2),
	)
}

// A successor that is ready, but whose predecessor dies before the takeover,
// leaves the rest to systemd.
func TestPredecessorDiesBeforeTheTakeover(t *testing.T) {
	u := start(t)
	fifo := filepath.Join(t.TempDir(), "go")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	u.behave("wait " + fifo)
	u.reload(1)
	testkit.Eventually(t, "the successor initialises", func() bool {
		_, err := os.Stat(fifo + ".waits")
		return err == nil
	})
	u.signal(u.pid(1), unix.SIGKILL)
	u.exit(1)
	var f *os.File
	var err error
	testkit.Within(t, "the successor", func() { f, err = os.OpenFile(fifo, os.O_WRONLY, 0) })
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if status := u.exit(2); status != 1 {
		t.Errorf("the successor exits with status %d", status)
	}
	u.wantSaid(saysReady(1), saysReloading(1, 1))
}

// The successor serves while systemd has not read yet that it is main; the
// predecessor, whose datagram it is, does not end before it has.
func TestSystemdTakesItsTime(t *testing.T) {
	u := start(t)
	u.manager.HoldBarriers()
	u.reload(1)
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=all"))
	u.dial().wantAnswer("2 serving")
	if err := unix.Kill(u.pid(1), 0); err != nil {
		t.Errorf("the predecessor: %v", err)
	}
	u.manager.ReleaseBarriers()
	u.gone(1)
	u.dial().wantAnswer("2 serving")
}

func TestDrainTimeout(t *testing.T) {
	u := start(t, drainVariable+"=100ms")
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	stays.wantEnd()
	if status := u.exit(1); status != 0 {
		t.Errorf("the predecessor exits with status %d", status)
	}
	u.dial().wantAnswer("2 serving")
	u.manager.Wait(notifytest.Has("NOTIFYACCESS=main"))
}

// An upgrade needs no free descriptor: it may be the way to get some.
func TestUpgradeWithoutDescriptors(t *testing.T) {
	u := start(t)
	if answer := u.dial().ask("hoard"); answer != "true too many open files" {
		t.Fatal(answer)
	}
	u.upgrade(1)
	u.dial().wantAnswer("2 serving")
}
