package reload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/handover"
)

// Verdict says how an upgrade ended.
type Verdict struct {
	// Attempt numbers the upgrades of the service, failed ones included, from 1
	// since systemd has started it.
	Attempt int
	// From is the generation that was main, To the one that was to follow. To's
	// PID is 0 if no process could be started, its Build "" if it did not get as
	// far as to say.
	From, To Party
	// Err is why the upgrade failed; nil: it succeeded. Its text is what every local
	// user may read: see [Config.PublicReasons]. It wraps one of the Err… of this
	// package, unless the verdict has come from another process.
	Err error
	// Words are what the application has said of it (the reason it gave to Refuse, the
	// error of its Keeper), or the panic of a process that crashed, on one line; "" if
	// nothing. They may hold what is not for everybody, and go to the journal alone:
	// a verdict that has come from another process has none.
	Words string
	// Began is when the reload signal was acted on.
	Began time.Time
	// Signalled: the reload signal has asked for the upgrade, or has come while it
	// was under way. False if the verdict has come from another process.
	Signalled bool
	// LeftBehind says what the unit asks for and To was started without, a line each
	// that begins with the directive: see [Command]. Only a restart brings it.
	LeftBehind []string
	// Killed is how many older generations had not ended in time by then, since systemd
	// has started the service, and were killed; see Config.EndTimeout.
	Killed int
	// Steps are the phases of the upgrade, in order, and how long each took.
	Steps []Step
}

// Party is one side of an upgrade.
type Party struct {
	Generation int
	PID        int
	Build      string
}

// Step is one phase of an upgrade, such as "preparing" or "taking over".
type Step struct {
	Phase string
	Took  time.Duration
}

// Took is how long the upgrade took as a whole.
func (v Verdict) Took() time.Duration {
	var d time.Duration
	for _, s := range v.Steps {
		d += s.Took
	}
	return d
}

// bounded is what a verdict takes of LeftBehind: it has to fit into a message.
func bounded(lines []string) []string {
	const most, longest = 16, 300
	var all []string
	for i, line := range lines {
		if i == most {
			return append(all, fmt.Sprintf("and %d more", len(lines)-most))
		}
		line = oneLine(line)
		if r := []rune(line); len(r) > longest {
			line = string(r[:longest]) + "…"
		}
		all = append(all, line)
	}
	return all
}

// Reason is why the upgrade failed, Words included; "" if it succeeded.
func (v Verdict) Reason() string {
	if v.Err == nil {
		return ""
	}
	return joined(v.Err.Error(), v.Words)
}

// String is the verdict in one line, Words included.
func (v Verdict) String() string {
	to := fmt.Sprintf("generation %d", v.To.Generation)
	if v.To.Build != "" {
		to += " (" + v.To.Build + ")"
	}
	if v.Err != nil {
		return fmt.Sprintf("upgrade %d to %s failed after %v: %s", v.Attempt, to, v.Took().Round(time.Microsecond), v.Reason())
	}
	text := fmt.Sprintf("upgrade %d to %s succeeded in %v", v.Attempt, to, v.Took().Round(time.Microsecond))
	if len(v.LeftBehind) > 0 {
		text += "; left behind: " + oneLine(strings.Join(v.LeftBehind, "; "))
	}
	return text
}

// verdicts is what is known of upgrades that have ended.
type verdicts struct {
	mu    sync.Mutex
	last  *Verdict
	given int           // by this process
	next  chan struct{} // closed when the next one is given; nil: nobody waits
}

func (v *verdicts) give(one Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = &one
	v.given++
	if v.next != nil {
		close(v.next)
		v.next = nil
	}
}

// learn takes note of the verdict that made this process main.
func (v *verdicts) learn(one Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = &one
}

// after returns a channel that is closed once there is a verdict later than now,
// and how many there were.
func (v *verdicts) after() (next <-chan struct{}, count int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == nil {
		v.next = make(chan struct{})
	}
	return v.next, v.given
}

func (v *verdicts) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.given
}

// ErrNotMain is what Upgrade returns in a process that is not the main one, or
// not yet, or no longer.
var ErrNotMain = errors.New("reload: this process is not the main process of the service")

// LastVerdict returns the verdict of the last upgrade that this process was a
// part of; ok is false if there was none.
func (s *Service) LastVerdict() (v Verdict, ok bool) {
	s.verdicts.mu.Lock()
	defer s.verdicts.mu.Unlock()
	if s.verdicts.last == nil {
		return Verdict{}, false
	}
	return *s.verdicts.last, true
}

// Upgrade does what the reload signal does, and waits for the verdict. If an
// upgrade is under way it starts none and waits for the verdict of that one.
// The error is that of ctx, or ErrNotMain; an upgrade that failed is none.
func (s *Service) Upgrade(ctx context.Context) (Verdict, error) {
	if !s.upgradable() {
		return Verdict{}, ErrNotMain
	}
	given, count := s.verdicts.after()
	select {
	case s.asked <- count:
	default: // somebody has asked already
	}
	select {
	case <-given:
		v, _ := s.LastVerdict()
		return v, nil
	case <-s.done:
		if v, ok := s.LastVerdict(); ok && s.verdicts.count() > count {
			return v, nil
		}
		return Verdict{}, ErrNotMain
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
}

// toWire and fromWire carry a verdict to the successor it made main.
func (v Verdict) toWire() handover.Verdict {
	w := handover.Verdict{
		Attempt:   v.Attempt,
		From:      handover.Party(v.From),
		To:        handover.Party(v.To),
		BeganUSec: v.Began.UnixMicro(),

		LeftBehind: v.LeftBehind,
		Killed:     v.Killed,
	}
	if v.Err != nil {
		w.Failure = v.Err.Error()
	}
	for _, s := range v.Steps {
		w.Steps = append(w.Steps, handover.Step{Phase: s.Phase, USec: s.Took.Microseconds()})
	}
	return w
}

func fromWire(w handover.Verdict) Verdict {
	v := Verdict{
		Attempt: w.Attempt,
		From:    Party(w.From),
		To:      Party(w.To),
		Began:   time.UnixMicro(w.BeganUSec),

		LeftBehind: w.LeftBehind,
		Killed:     w.Killed,
	}
	if w.Failure != "" {
		v.Err = errors.New(oneLine(w.Failure))
	}
	for _, s := range w.Steps {
		v.Steps = append(v.Steps, Step{s.Phase, time.Duration(s.USec) * time.Microsecond})
	}
	return v
}

// fields is the verdict as the journal shows it, for journalctl INSTAR_RESULT=failed.
func (v Verdict) fields() map[string]string {
	result, priority := "succeeded", "6"
	if len(v.LeftBehind) > 0 {
		priority = "4"
	}
	f := map[string]string{
		"MESSAGE":                v.String(),
		"MESSAGE_ID":             VerdictMessageID,
		"INSTAR_ATTEMPT":         fmt.Sprint(v.Attempt),
		"INSTAR_FROM_GENERATION": fmt.Sprint(v.From.Generation),
		"INSTAR_FROM_BUILD":      v.From.Build,
		"INSTAR_TO_GENERATION":   fmt.Sprint(v.To.Generation),
		"INSTAR_TO_BUILD":        v.To.Build,
		"INSTAR_TO_PID":          fmt.Sprint(v.To.PID),
		"INSTAR_TOOK_USEC":       fmt.Sprint(v.Took().Microseconds()),
	}
	if v.Err != nil {
		result, priority = "failed", "3"
		f["INSTAR_REASON"] = v.Reason()
	}
	if v.Words != "" {
		f["INSTAR_LAST_WORDS"] = v.Words
	}
	if len(v.LeftBehind) > 0 {
		f["INSTAR_LEFT_BEHIND"] = strings.Join(v.LeftBehind, "\n")
	}
	if v.Killed > 0 {
		f["INSTAR_KILLED"] = fmt.Sprint(v.Killed)
	}
	f["INSTAR_RESULT"], f["PRIORITY"] = result, priority
	for _, s := range v.Steps {
		key := "INSTAR_" + strings.ToUpper(strings.ReplaceAll(s.Phase, " ", "_")) + "_USEC"
		f[key] = fmt.Sprint(s.Took.Microseconds())
	}
	return f
}

// VerdictMessageID is the MESSAGE_ID= of verdicts in the journal, see
// systemd.journal-fields(7): journalctl MESSAGE_ID=… -u NAME lists them.
const VerdictMessageID = "6152b420fa5840e5be6f5ccfd4f6add4"
