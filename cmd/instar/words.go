package main

import (
	"context"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"
)

// A service tells everybody on the bus the kind of a failure, and the journal alone the
// words of the new process: see reload.Config.PublicReasons. A user that may read both
// gets the whole reason.

// withWords returns a verdict of a unit with the words of the journal beside it, if this
// user may read them. They come a moment after the upgrade ends: patience is how long to
// wait for them.
func (o *options) withWords(ctx context.Context, unit string, v reload.Verdict, patience time.Duration) reload.Verdict {
	if v.Attempt == 0 || v.Err == nil || v.Words != "" {
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, lastLinesFor)
	defer cancel()
	for end := time.Now().Add(patience); ; {
		e, err := o.entry(ctx, unit, v)
		if err != nil || !e.Time.Before(v.Began) {
			v.Words = e.verdict.Words
			return v
		}
		if time.Now().After(end) {
			return v
		}
		select {
		case <-ctx.Done():
			return v
		case <-time.After(lastLinesTry):
		}
	}
}

// entry is the last one of a verdict's number; its time is zero if there is none. The
// numbers begin anew with each start of the service.
func (o *options) entry(ctx context.Context, unit string, v reload.Verdict) (logEntry, error) {
	command, err := o.journalctl(unit, "--output=json", "--lines=1",
		"MESSAGE_ID="+verdict.MessageID, "INSTAR_ATTEMPT="+strconv.Itoa(v.Attempt))
	if err != nil {
		return logEntry{}, err
	}
	line, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil || len(line) == 0 {
		return logEntry{}, err
	}
	return parseEntry(line)
}

// words remembers the journal's answers, for a view that is drawn again and again.
type words struct {
	*options
	mu    sync.Mutex
	known map[string]reload.Verdict // by unit
}

// of is withWords for a verdict that may be known.
func (w *words) of(ctx context.Context, unit string, v reload.Verdict) reload.Verdict {
	w.mu.Lock()
	known, ok := w.known[unit]
	w.mu.Unlock()
	if ok && known.Attempt == v.Attempt && known.Began.Equal(v.Began) {
		return known
	}
	v = w.withWords(ctx, unit, v, 0)
	if v.Words == "" && time.Since(v.Ended()) < lastLinesFor {
		return v // the journal may have it yet
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil {
		w.known = make(map[string]reload.Verdict)
	}
	w.known[unit] = v
	return v
}
