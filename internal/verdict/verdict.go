// Package verdict is the end of an upgrade, in every form in which it goes from the state
// machine to its readers: [Verdict] for Go programs and as one line of text, [Record] from
// process to process, in the handover and on the bus, [Verdict.Journal] and [FromJournal],
// and [Report] for programs that read the output of instar.
//
// A new field is added here alone: to Verdict, to Record or the table of journal.go, and to
// Report. The tests hold that no form loses a field unless they name it.
package verdict

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/oneline"
)

// Verdict says how an upgrade ended. Package reload documents it for its users.
type Verdict struct {
	Attempt    int
	From, To   Party
	Err        error
	Words      string
	Began      time.Time
	Signalled  bool
	LeftBehind []string
	Killed     int
	Steps      []Step
}

// Party is one side of an upgrade.
type Party struct {
	Generation int    `json:"generation"`
	PID        int    `json:"pid"`
	Build      string `json:"build"`
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

// Ended is when the upgrade ended.
func (v Verdict) Ended() time.Time { return v.Began.Add(v.Took()) }

// Reason is why the upgrade failed, Words included; "" if it succeeded.
func (v Verdict) Reason() string {
	if v.Err == nil {
		return ""
	}
	return Whole(v.Err.Error(), v.Words)
}

// Whole is a reason as one text: the part that is public, and the words of the application.
// A text at the end of the public part that the words have as well, such as an errno, is
// not repeated, nor are the words if they end it already.
func Whole(public, words string) string {
	switch {
	case words == "" || strings.HasSuffix(public, words):
		return public
	case strings.Contains(words, public):
		return words
	}
	for {
		i := strings.LastIndex(public, ": ")
		if i < 0 || !strings.Contains(words, public[i+2:]) {
			return public + ": " + words
		}
		public = public[:i]
	}
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
		text += "; left behind: " + oneline.Blank(strings.Join(v.LeftBehind, "; "))
	}
	return text
}

// Level is how much the verdict is news for an operator.
func (v Verdict) Level() slog.Level {
	switch {
	case v.Err != nil:
		return slog.LevelError
	case len(v.LeftBehind) > 0:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Bounded shortens lines for LeftBehind, which has to fit into a message.
func Bounded(lines []string) []string {
	const most, longest = 16, 300
	var all []string
	for i, line := range lines {
		if i == most {
			return append(all, fmt.Sprintf("and %d more", len(lines)-most))
		}
		line = oneline.Blank(line)
		if r := []rune(line); len(r) > longest {
			line = string(r[:longest]) + "…"
		}
		all = append(all, line)
	}
	return all
}
