package status

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
	"golang.org/x/sys/unix"
)

// serving waits until the service is main, on the bus, and returns its state.
func serving(t *testing.T, c *Client, generation int) State {
	t.Helper()
	var s State
	testkit.Eventually(t, "the service is on the bus", func() bool {
		var err error
		s, err = c.State(t.Context())
		return err == nil && s.Phase == "serving" && s.Generation == generation
	})
	return s
}

// The introspection matches the object.
func TestIntrospection(t *testing.T) {
	b := startBus(t, open)
	b.startUnit("v1")
	serving(t, b.client(), 1)
	conn := b.dial()
	defer conn.Close()
	var raw string
	object := conn.Object(testName, Path)
	if err := object.Call("org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&raw); err != nil {
		t.Fatal(err)
	}
	var node introspect.Node
	if err := xml.Unmarshal([]byte(raw), &node); err != nil {
		t.Fatal(err)
	}
	var all map[string]dbus.Variant
	if err := object.Call("org.freedesktop.DBus.Properties.GetAll", 0, Interface).Store(&all); err != nil {
		t.Fatal(err)
	}
	for _, p := range node.Interfaces[0].Properties {
		one, err := object.GetProperty(Interface + "." + p.Name)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if got := one.Signature().String(); got != p.Type {
			t.Errorf("%s has signature %s, the introspection says %s", p.Name, got, p.Type)
		}
		if _, ok := all[p.Name]; !ok {
			t.Errorf("GetAll leaves %s out", p.Name)
		}
		delete(all, p.Name)
	}
	for name := range all {
		t.Errorf("the introspection leaves %s out", name)
	}
	if err := object.SetProperty(Interface+".Phase", dbus.MakeVariant("fine")); err == nil {
		t.Error("Phase could be set")
	}
	if _, err := object.GetProperty(Interface + ".Mood"); err == nil {
		t.Error("there is a property that there is not")
	}
}

// The name has an owner at every look through upgrades that succeed, fail, and
// are taken back; the owner is the main process in the end, each end is told once.
func TestNameFollowsMain(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	first := serving(t, c, 1)
	if first.MainPID != u.first || first.Unit != testUnit || first.Build != "v1" || first.Attempts != 0 || first.Verdict.Attempt != 0 {
		t.Errorf("it says %+v of itself", first)
	}

	conn := b.dial()
	defer conn.Close()
	if err := conn.AddMatchSignal(dbus.WithMatchInterface(Interface), dbus.WithMatchMember("UpgradeEnded")); err != nil {
		t.Fatal(err)
	}
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	stop, polls := pollOwner(t, b)

	attempt := 0
	upgrade := func(build string, generation int, failed string) {
		t.Helper()
		u.deploy(build)
		attempt++
		v, err := c.Upgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.Attempt != attempt || (v.Err != nil) != (failed != "") || v.Err != nil && v.Err.Error() != failed {
			t.Errorf("verdict of %s: %+v", build, v)
		}
		// The main process knows the verdict by the time it tells.
		var told struct{ Verdict verdict.Record }
		if err := dbus.Store((<-signals).Body, &told.Verdict); err != nil {
			t.Fatal(err)
		}
		if s := serving(t, c, generation); s.Verdict.Attempt != attempt || s.Attempts != attempt {
			t.Errorf("it says %+v", s)
		}
		if told.Verdict.Attempt != uint64(attempt) || told.Verdict.Succeeded != (failed == "") {
			t.Errorf("UpgradeEnded says %+v", told.Verdict)
		}
	}
	upgrade("v2", 2, "")
	second := serving(t, c, 2)
	upgrade("crash", 2, "the successor refused") // and its words are the journal's
	if s := serving(t, c, 2); !second.Since.After(first.Since) || !s.Since.Equal(second.Since) {
		t.Errorf("generation 1 is main since %v, 2 since %v, and after an upgrade that failed since %v", first.Since, second.Since, s.Since)
	}
	upgrade("v3", 3, "")
	upgrade("linger", 4, "")
	upgrade("v5", 5, "")
	s := serving(t, c, 5)
	testkit.Eventually(t, "generation 4 is seen to drain", func() bool {
		s, _ = c.State(t.Context())
		return len(s.Draining) == 1
	})
	if d := s.Draining[0]; d.Generation != 4 || d.Build != "linger" {
		t.Errorf("draining: %+v", d)
	}
	if err := unix.Kill(s.MainPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s = serving(t, c, 4)
	if s.Attempts != attempt || s.NotLasting != attempt-3 {
		t.Errorf("taken back, it says %+v", s)
	}
	upgrade("v6", 5, "")
	stop()
	if polls.Load() < 100 {
		t.Errorf("only %d polls", polls.Load())
	}
}

// A predecessor that dies before it could give the verdict leaves none to wait for:
// the successor serves, so the upgrade has succeeded.
func TestPredecessorDies(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	serving(t, c, 1)
	u.deploy("prove")
	if err := unix.Kill(u.first, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "generation 2 has the name, in its probation", func() bool {
		s, err := c.State(t.Context())
		return err == nil && s.Phase == "probation"
	})
	if err := unix.Kill(u.first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	v, err := c.Answer(t.Context(), u.first, time.Now())
	if err != nil || v.Attempt != 1 || v.Err != nil || v.From.PID != u.first || v.To.Build != "prove" {
		t.Errorf("the answer is %+v, %v", v, err)
	}
	serving(t, c, 2)
}

// pollOwner asks for the name's owner without a break.
func pollOwner(t *testing.T, b *bus) (stop func(), polls *atomic.Int64) {
	t.Helper()
	conn := b.dial()
	polls = new(atomic.Int64)
	end := make(chan struct{})
	var poller sync.WaitGroup
	poller.Go(func() {
		defer conn.Close()
		for {
			select {
			case <-end:
				return
			default:
			}
			var owner string
			if err := conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, testName).Store(&owner); err != nil {
				t.Errorf("poll %d: %v", polls.Load(), err)
				return
			}
			polls.Add(1)
		}
	})
	return sync.OnceFunc(func() { close(end); poller.Wait() }), polls
}

// The service goes on without the bus, and is on it again when it is back; the
// answer to a signal is found all the same.
func TestBusRestarts(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	serving(t, b.client(), 1)
	b.stop()
	testkit.Eventually(t, "the log says so", func() bool { return strings.Contains(u.log.String(), "the service is not on the bus") })
	u.deploy("v2")
	if err := unix.Kill(u.first, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the upgrade succeeds", func() bool { return strings.Contains(u.log.String(), "upgrade 1 to generation 2 (v2) succeeded") })
	b.start()
	c := b.client()
	var s State
	testkit.Eventually(t, "the second knows how it went", func() bool {
		s, _ = c.State(t.Context())
		return s.Generation == 2 && s.Verdict.Attempt > 0
	})
	if s.Verdict.Attempt != 1 || s.Verdict.Err != nil || s.Verdict.From.PID != u.first {
		t.Errorf("the verdict is %+v", s.Verdict)
	}
}

// A bus that refuses the name stops nothing.
func TestNameRefused(t *testing.T) {
	b := startBus(t, "")
	u := b.startUnit("v1")
	testkit.Eventually(t, "the log says so", func() bool { return strings.Contains(u.log.String(), "no policy allows") })
	u.deploy("v2")
	if err := unix.Kill(u.first, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the upgrade succeeds", func() bool { return strings.Contains(u.log.String(), "upgrade 1 to generation 2 (v2) succeeded") })
	testkit.Eventually(t, "the second has tried again and again", func() bool {
		return strings.Count(u.log.String(), "level=DEBUG msg=\"the service is not on the bus") > 3
	})
	if n := strings.Count(u.log.String(), "level=WARN msg=\"the service is not on the bus"); n > 2 {
		t.Errorf("%d complaints of two processes", n)
	}
	if _, err := b.client().State(t.Context()); !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrDenied) {
		t.Errorf("State: %v", err)
	}
}

// Answer tells of the right upgrade, whenever it is called.
func TestAnswer(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	pid := serving(t, c, 1).MainPID
	for i, build := range []string{"crash", "v2", "crash", "crash", "v3", "v4"} {
		before, err := c.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u.deploy(build)
		started := time.Now()
		if err := unix.Kill(pid, unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // late: it is over by then
			testkit.Eventually(t, "the upgrade ends", func() bool {
				s, err := c.State(t.Context())
				return err == nil && s.Verdict.Attempt == before.Attempts+1
			})
		}
		v, err := c.Answer(t.Context(), pid, started)
		if err != nil {
			t.Fatal(err)
		}
		if v.Attempt != i+1 || (v.Err != nil) != (build == "crash") {
			t.Errorf("signal %d: the answer is %v", i+1, v)
		}
		if last, err := c.Ended(t.Context()); err != nil || last.Attempt != i+1 {
			t.Errorf("signal %d: the last is %v, %v", i+1, last, err)
		}
		if v.Err == nil {
			pid = v.To.PID
		}
	}
}

// A successor in its probation is main, and has no verdict: Answer waits for its
// attempt, not for one that is long forgotten.
func TestAnswerInProbation(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	pid := serving(t, c, 1).MainPID
	for i, build := range []string{"v2", "v3"} {
		u.deploy(build)
		v, err := c.Upgrade(t.Context())
		if err != nil || v.Err != nil {
			t.Fatal(v, err)
		}
		pid = serving(t, c, i+2).MainPID
	}
	u.deploy("prove")
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the successor answers, in its probation", func() bool {
		s, err := c.State(t.Context())
		return err == nil && s.Phase == "probation"
	})
	v, err := c.Answer(t.Context(), pid, time.Now())
	if err != nil || v.Attempt != 3 || v.Err != nil || v.To.Generation != 4 {
		t.Errorf("the answer is %v, %v", v, err)
	}
}

// An upgrade that failed before the signal is not its answer, however short before:
// the service is about to act on the signal.
func TestAnswerIsNotStale(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	pid := serving(t, c, 1).MainPID
	u.deploy("crash")
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the first attempt fails", func() bool {
		s, err := c.State(t.Context())
		return err == nil && s.Verdict.Attempt == 1
	})
	u.deploy("slow")
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	v, err := c.Answer(t.Context(), pid, time.Now())
	if err != nil || v.Attempt != 2 || v.Err != nil {
		t.Errorf("the answer is %v, %v", v, err)
	}
}

// A success whose successor has died since is none.
func TestAnswerOfWhatDidNotLast(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("linger") // drains until its end
	c := b.client()
	pid := serving(t, c, 1).MainPID
	u.deploy("v2")
	started := time.Now()
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(serving(t, c, 2).MainPID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	serving(t, c, 1)
	for what, ask := range map[string]func() (reload.Verdict, error){
		"answer": func() (reload.Verdict, error) { return c.Answer(t.Context(), pid, started) },
		"end":    func() (reload.Verdict, error) { return c.Ended(t.Context()) },
	} {
		if v, err := ask(); err != nil || v.Attempt != 1 || v.Err == nil || !strings.Contains(v.Err.Error(), "did not last") {
			t.Errorf("the %s is %v, %v", what, v, err)
		}
	}
}

// A service that hangs costs its callers three seconds.
func TestStateOfOneThatHangs(t *testing.T) {
	b := startBus(t, open)
	u := b.startUnit("v1")
	c := b.client()
	serving(t, c, 1)
	if err := unix.Kill(u.first, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(u.first, unix.SIGCONT) }) // else it could not be ended
	testkit.Eventually(t, "all of it is stopped", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", u.first))
		return err == nil && strings.Contains(string(status), "State:\tT")
	})
	if _, err := c.State(t.Context()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("State: %v", err)
	}
	if _, err := c.Answer(t.Context(), u.first, time.Now()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("Answer: %v", err)
	}
	if err := unix.Kill(u.first, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	serving(t, c, 1)
}
