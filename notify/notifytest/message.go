package notifytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Message is one datagram, as it was received.
type Message struct {
	Text string // verbatim; an assignment a line
	PID  int    // of the sender, as the kernel vouches for it (SCM_CREDENTIALS)
	UID  int
	GID  int

	// FDs are the attached descriptors, in order: duplicates of the sender's,
	// close-on-exec, borrowed from the Manager until the test ends. The descriptor of
	// a barrier is not among them.
	FDs []int
}

// Get returns the value of the first assignment to key, and whether there is one.
func (m Message) Get(key string) (value string, ok bool) {
	for line := range strings.SplitSeq(m.Text, "\n") {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return value, true
		}
	}
	return "", false
}

// Has returns a matcher for [Manager.Wait]: messages that hold every one of the
// assignments, such as "READY=1", whatever else they hold.
func Has(assignments ...string) func(Message) bool {
	return func(m Message) bool {
		lines := strings.Split(m.Text, "\n")
		for _, a := range assignments {
			if !slices.Contains(lines, a) {
				return false
			}
		}
		return true
	}
}

// String is for failure messages.
func (m Message) String() string {
	s := fmt.Sprintf("%q from PID %d", m.Text, m.PID)
	if len(m.FDs) > 0 {
		s += fmt.Sprintf(" with %d descriptors", len(m.FDs))
	}
	return s
}

const barrier = "BARRIER=1"

// check says why systemd would ignore m for its form, or returns nil.
func (m Message) check() error {
	text := strings.TrimSuffix(m.Text, "\x00") // systemd allows one at the end
	if text == "" {
		return errors.New("it is empty")
	}
	if strings.Contains(text, "\x00") {
		return errors.New("it has a NUL byte before its end")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if slices.Contains(lines, barrier) && (len(lines) > 1 || len(m.FDs) != 1) {
		return fmt.Errorf("%s wants a datagram of its own with exactly one descriptor", barrier)
	}
	return nil
}

// isBarrier reports whether m, which has passed check, asks for an answer.
func (m Message) isBarrier() bool {
	return strings.TrimRight(m.Text, "\n\x00") == barrier
}
