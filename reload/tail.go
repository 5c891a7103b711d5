package reload

import (
	"strings"
	"sync"

	"github.com/instar-project/instar/internal/oneline"
)

// How much of a process's stderr is kept, and how much of that is quoted.
const (
	tailBytes = 16 << 10
	tailLines = 3
	tailRunes = 300
)

// tail keeps the end of the text that is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if excess := len(t.text) - tailBytes; excess > 0 {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

// remark is the part of it that matters, in one line; "" if there is none.
func (t *tail) remark() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return lastWords(string(t.text))
}

// lastWords are the last words of a process, in one line: its panic, or else the
// last lines of all.
func lastWords(text string) string {
	var lines []string
	panicked := -1
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if panicked < 0 && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
			panicked = len(lines)
		}
		lines = append(lines, line)
	}
	if panicked >= 0 {
		lines = lines[panicked : panicked+1] // the rest tells where, not why
	}
	lines = lines[max(0, len(lines)-tailLines):]
	return oneline.Tail(oneline.Blank(strings.Join(lines, " / ")), tailRunes)
}
