package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// logEntry is an upgrade as the journal has it, and as logs --json prints it. Its
// keys are promised.
type logEntry struct {
	Time      time.Time `json:"time"`
	Unit      string    `json:"unit"`
	Attempt   int       `json:"attempt"`
	From      logParty  `json:"from"`
	To        logParty  `json:"to"`
	Succeeded bool      `json:"succeeded"`
	Reason    string    `json:"reason"`
	Took      float64   `json:"took_seconds"`

	words string // the part of Reason that the bus does not have
}

// logParty is one side of it. The journal does not have the PID of the predecessor.
type logParty struct {
	Generation int    `json:"generation"`
	PID        *int   `json:"pid,omitempty"`
	Build      string `json:"build"`
}

// String is the entry on one line:
//
//	2026-02-03 16:05:06  upgrade 3  generation 2 (v2) → 3 (v3)  succeeded in 12ms
func (e logEntry) String() string {
	took := rounded(time.Duration(e.Took * float64(time.Second)))
	s := fmt.Sprintf("%s  upgrade %d  generation %d%s → %d%s  ", e.Time.Local().Format(time.DateTime),
		e.Attempt, e.From.Generation, build(e.From.Build), e.To.Generation, build(e.To.Build))
	if e.Succeeded {
		return s + fmt.Sprintf("succeeded in %v", took)
	}
	return s + fmt.Sprintf("failed after %v: %s", took, plain(e.Reason))
}

// journalField is the value of a field in the JSON of journalctl(1): a string, or the
// bytes of a value that is no text, or a list of several values, of which this is the
// first. "" for one that is too long, which is null.
type journalField string

func (f *journalField) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) == nil {
		if text != nil {
			*f = journalField(*text)
		}
		return nil
	}
	var numbers []int // not []byte, which is base64 to encoding/json
	if json.Unmarshal(b, &numbers) == nil {
		for _, n := range numbers {
			*f += journalField([]byte{byte(n)})
		}
		return nil
	}
	var several []journalField
	if err := json.Unmarshal(b, &several); err != nil {
		return err
	}
	if len(several) > 0 {
		*f = several[0]
	}
	return nil
}

// parseEntry reads a line of journalctl --output=json; the fields are those that
// package reload writes. One that is missing is zero: an older version has not
// written it.
func parseEntry(line []byte) (logEntry, error) {
	var fields map[string]journalField
	if err := json.Unmarshal(line, &fields); err != nil {
		return logEntry{}, fmt.Errorf("the output of journalctl is not its JSON: %w", err)
	}
	text := func(name string) string { return string(fields[name]) }
	number := func(name string) int64 {
		n, err := strconv.ParseInt(text(name), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	unit := text("_SYSTEMD_UNIT")
	if user := text("_SYSTEMD_USER_UNIT"); user != "" {
		unit = user
	}
	pid := int(number("INSTAR_TO_PID"))
	e := logEntry{
		Time:    time.UnixMicro(number("__REALTIME_TIMESTAMP")).UTC(),
		Unit:    unit,
		Attempt: int(number("INSTAR_ATTEMPT")),
		From:    logParty{Generation: int(number("INSTAR_FROM_GENERATION")), Build: text("INSTAR_FROM_BUILD")},
		To:      logParty{Generation: int(number("INSTAR_TO_GENERATION")), PID: &pid, Build: text("INSTAR_TO_BUILD")},

		Succeeded: text("INSTAR_RESULT") == "succeeded",
		Reason:    text("INSTAR_REASON"),
		words:     text("INSTAR_LAST_WORDS"),
		Took:      (time.Duration(number("INSTAR_TOOK_USEC")) * time.Microsecond).Seconds(),
	}
	return e, nil
}
