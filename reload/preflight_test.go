package reload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// Whatever the next build answers to a preflight, or does instead, changes nothing.
func TestPreflight(t *testing.T) {
	const tooLate = `the successor was not ready in time: PID \d+ has not answered within 300ms \(Config.ReadyTimeout\)`
	for _, c := range []struct{ name, behaviour, want string }{
		{"it could follow", "serve", `<nil>`},
		{"its acts after Open are not known", "hang", `<nil>`},
		{"it objects", `object config:3: no such\noption`, `the successor refused: config:3: no such option`},
		{"another protocol", "major-2", `the successor does not speak the handover protocol: handover: the other generation speaks protocol 2.0, this one 1.0: upgrade through a release that speaks both, or restart the unit`},
		{"another protocol objects", `say {"type":"refuse","protocol":{"major":2},"reason":"no"}`, `the successor does not speak the handover protocol: no`},
		{"an unknown word first", `say {"type":"weather"}`, tooLate},
		{"garbage", "say {]", `the successor does not speak the handover protocol: handover: "{\]" is no message: .*`},
		{"stuck", "stuck", tooLate},
		{"exit without a word", "exit 0", `the successor ended: PID \d+ exited with status 0, without an answer`},
		{"last words", `stderr one\ntwo\n\nthree\x1b[31m\nfour`, `the successor ended: PID \d+ exited with status 1, without an answer: two / three\\x1b\[31m / four`},
		{"panic", "panic-early", `the successor ended: PID \d+ exited with status 2, without an answer: panic: early`},
		{"panic in the check", "panic-check", `the successor ended: PID \d+ exited with status 2, without an answer: panic: in the check`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var environ []string
			if c.want == tooLate {
				environ = append(environ, readyVariable+"=300ms")
			}
			u := start(t, environ...)
			stays := u.dial()
			size := stays.askSize()
			u.behave(c.behaviour)
			if got := stays.ask("preflight"); !regexp.MustCompile("^" + c.want + "$").MatchString(got) {
				t.Errorf("%q, want a match of %s", got, c.want)
			}
			stays.wantAnswer("1 serving")
			testkit.Eventually(t, "no descriptor and no goroutine is left of it", func() bool { return stays.askSize().within(size) })
			u.wantSaid(saysReady(1))
		})
	}
}

// SIGHUP to the whole unit is no verdict on the build.
func TestPreflightKilledBySIGHUP(t *testing.T) {
	for tries, want := range map[int]string{
		1:         `<nil>`,
		maxStarts: `the successor ended: PID \d+ was killed by SIGHUP, without an answer`,
	} {
		u := start(t)
		u.behave(fmt.Sprintf("hangup %d %s", tries, filepath.Join(t.TempDir(), "tries")))
		if got := u.dial().ask("preflight"); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("killed %d times: %q, want a match of %s", tries, got, want)
		}
	}
}

// A program that is none of this library's is asked in vain, and left no process.
func TestPreflightOfAnotherProgram(t *testing.T) {
	for _, c := range []struct{ program, ready, want string }{
		{"/bin/sleep", "300ms", "has not answered within 300ms"},
		{"/bin/true", "", "exited with status 0, without an answer"},
		{"/nowhere", "", "no successor could be started: "},
		{"/etc/passwd", "", "no successor could be started: "},
	} {
		t.Run(c.program, func(t *testing.T) {
			u := start(t, readyVariable+"="+c.ready)
			u.install(c.program)
			if got := u.dial().ask("preflight"); !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Of two preflights, the second waits for the first, and an upgrade for neither.
func TestPreflightsBesideAnUpgrade(t *testing.T) {
	u := start(t)
	pondering := u.ponder()
	a, b := u.dial(), u.dial()
	answers := make(chan string, 2)
	for _, c := range []*client{a, b} {
		go func() { answers <- c.ask("preflight") }()
	}
	testkit.Eventually(t, "the check is under way", func() bool { return pondering() == "asked" })
	u.behave("serve")
	u.upgrade(1)
	u.dial().wantAnswer("2 serving")
	if len(answers) > 0 {
		t.Errorf("a preflight ends with the upgrade: %q", <-answers)
	}
	u.signal(u.pid(1), unix.SIGTERM)
	for range 2 {
		if got := <-answers; got != ErrNotMain.Error() {
			t.Errorf("%q, want %v", got, ErrNotMain)
		}
	}
	for _, c := range []*client{a, b} {
		c.Close()
	}
	u.gone(1)
}

// A service that is told to stop answers pending preflights.
func TestPreflightGivenUp(t *testing.T) {
	u := start(t)
	stays := u.dial()
	pondering := u.ponder()
	asked := make(chan string, 1)
	go func() { asked <- stays.ask("preflight") }()
	testkit.Eventually(t, "the check is under way", func() bool { return pondering() == "asked" })
	other := u.dial()
	other.wantAnswer("1 serving")
	u.signal(u.pid(1), unix.SIGTERM)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	if got := <-asked; got != ErrNotMain.Error() {
		t.Errorf("%q, want %v", got, ErrNotMain)
	}
	if got := other.ask("preflight"); got != ErrNotMain.Error() {
		t.Errorf("%q, want %v", got, ErrNotMain)
	}
}

// The check learns that its answer is not awaited any more.
func TestPreflightOrphaned(t *testing.T) {
	u := start(t)
	stays := u.dial()
	pondering := u.ponder()
	fmt.Fprintln(stays, "preflight")
	testkit.Eventually(t, "the check is under way", func() bool { return pondering() == "asked" })
	u.signal(u.pid(1), unix.SIGKILL)
	testkit.Eventually(t, "the check is called off", func() bool { return pondering() == context.Canceled.Error() })
}

// ponder makes the check of the next build take for ever, and returns a function
// that tells its state: "" before it, "asked" during it, and why it was called off
// after it.
func (u *unit) ponder() func() string {
	note := filepath.Join(u.t.TempDir(), "note")
	u.behave("ponder " + note)
	return func() string {
		text, _ := os.ReadFile(note)
		return string(text)
	}
}

func TestLastWords(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"\n \n", ""},
		{"one", "one"},
		{"one\n\ntwo\r\nthree\nfour\n", "two / three / four"},
		{"log\npanic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:7\nexit status 2\n", "panic: runtime error: index out of range [5] with length 3"},
		{"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1", "fatal error: all goroutines are asleep - deadlock!"},
		{"\x1b[31mred\x00\xff.", "[31mred �."},
		{strings.Repeat("x", 1000), "…" + strings.Repeat("x", 300)},
	} {
		if got := lastWords(c.text); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	var kept tail
	for range 100 {
		if n, err := kept.Write(make([]byte, 1<<10)); n != 1<<10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(kept.text) != tailBytes {
		t.Errorf("%d bytes are kept, want %d", len(kept.text), tailBytes)
	}
}

func FuzzLastWords(f *testing.F) {
	f.Add("one\ntwo")
	f.Add("panic: oh\n\ngoroutine 1")
	f.Add("\x1b[31m\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		words := lastWords(text)
		if n := len([]rune(words)); n > tailRunes+1 {
			t.Errorf("%d characters", n)
		}
		for _, r := range words {
			if !unicode.IsPrint(r) {
				t.Errorf("%q is not printable", words)
			}
		}
	})
}
