package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/instar-project/instar/internal/verdict"
)

// logEntry is an upgrade as the journal has it, and as logs --json prints it. Its
// keys are promised.
type logEntry struct {
	Time time.Time `json:"time"`
	Unit string    `json:"unit"`
	verdict.Report

	verdict verdict.Verdict
}

// String is the entry on one line:
//
//	2026-02-03 16:05:06  upgrade 3  generation 2 (v2) → 3 (v3)  succeeded in 12ms
func (e logEntry) String() string {
	v := e.verdict
	s := fmt.Sprintf("%s  upgrade %d  generation %d%s → %d%s  ", e.Time.Local().Format(time.DateTime),
		v.Attempt, v.From.Generation, build(v.From.Build), v.To.Generation, build(v.To.Build))
	if v.Err == nil {
		return s + fmt.Sprintf("succeeded in %v", rounded(v.Took()))
	}
	return s + fmt.Sprintf("failed after %v: %s", rounded(v.Took()), plain(v.Reason()))
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

// parseEntry reads a line of journalctl --output=json.
func parseEntry(line []byte) (logEntry, error) {
	var fields map[string]journalField
	if err := json.Unmarshal(line, &fields); err != nil {
		return logEntry{}, fmt.Errorf("the output of journalctl is not its JSON: %w", err)
	}
	entry := make(map[string]string)
	for name, value := range fields {
		entry[name] = string(value)
	}
	written, _ := strconv.ParseInt(entry["__REALTIME_TIMESTAMP"], 10, 64)
	e := logEntry{
		Time:    time.UnixMicro(written).UTC(),
		Unit:    cmp.Or(entry["_SYSTEMD_USER_UNIT"], entry["_SYSTEMD_UNIT"]),
		verdict: verdict.FromJournal(entry),
	}
	if e.verdict.Began.IsZero() { // an earlier version has not written it
		e.verdict.Began = e.Time.Add(-e.verdict.Took())
	}
	e.Report = e.verdict.Report()
	return e, nil
}
