package verdict

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/generation"
)

// The MESSAGE_ID= of entries in the journal, see systemd.journal-fields(7).
const (
	MessageID        = "6152b420fa5840e5be6f5ccfd4f6add4" // of a verdict
	RefusedMessageID = "83396a50fabf4b10bf2cf7b718ea85fc" // of a preflight that was refused
	KilledMessageID  = "0f6b4a0d1d8f4f8c9d4c6a5a1f8e2b37" // of an old generation that was killed
)

// Fields of the journal that hold a number or a text as it is, see
// systemd.journal-fields(7). docs/journal.md promises each field.
var (
	numbers = map[string]func(*Verdict) *int{
		"INSTAR_ATTEMPT":         func(v *Verdict) *int { return &v.Attempt },
		"INSTAR_FROM_GENERATION": func(v *Verdict) *int { return &v.From.Generation },
		"INSTAR_FROM_PID":        func(v *Verdict) *int { return &v.From.PID },
		"INSTAR_TO_GENERATION":   func(v *Verdict) *int { return &v.To.Generation },
		"INSTAR_TO_PID":          func(v *Verdict) *int { return &v.To.PID },
		"INSTAR_KILLED":          func(v *Verdict) *int { return &v.Killed },
	}
	texts = map[string]func(*Verdict) *string{
		"INSTAR_FROM_BUILD": func(v *Verdict) *string { return &v.From.Build },
		"INSTAR_TO_BUILD":   func(v *Verdict) *string { return &v.To.Build },
		"INSTAR_LAST_WORDS": func(v *Verdict) *string { return &v.Words },
	}
)

// optional are the fields that are left out if they are empty.
var optional = map[string]string{
	"INSTAR_KILLED": "0", "INSTAR_LAST_WORDS": "", "INSTAR_REASON": "", "INSTAR_LEFT_BEHIND": "",
}

var priorities = map[slog.Level]string{slog.LevelInfo: "6", slog.LevelWarn: "4", slog.LevelError: "3"}

const succeeded, failed = "succeeded", "failed" // INSTAR_RESULT=

// Journal returns v as an entry of the journal, for journalctl INSTAR_RESULT=failed.
func (v Verdict) Journal() map[string]string {
	entry := map[string]string{
		"MESSAGE":            v.String(),
		"MESSAGE_ID":         MessageID,
		"PRIORITY":           priorities[v.Level()],
		"INSTAR_RESULT":      succeeded,
		"INSTAR_REASON":      v.Reason(),
		"INSTAR_BEGAN_USEC":  strconv.FormatUint(USec(v.Began), 10),
		"INSTAR_TOOK_USEC":   micros(v.Took()),
		"INSTAR_LEFT_BEHIND": strings.Join(v.LeftBehind, "\n"),
	}
	if v.Err != nil {
		entry["INSTAR_RESULT"] = failed
	}
	for name, of := range numbers {
		entry[name] = strconv.Itoa(*of(&v))
	}
	for name, of := range texts {
		entry[name] = *of(&v)
	}
	for name, empty := range optional {
		if entry[name] == empty {
			delete(entry, name)
		}
	}
	for _, s := range v.Steps {
		entry[stepField(s.Phase)] = micros(s.Took)
	}
	return entry
}

// FromJournal returns the verdict that an entry of the journal has. A field that is missing
// is zero: an earlier version has not written it. If that goes for the steps, there is one
// of no name.
func FromJournal(entry map[string]string) Verdict {
	var v Verdict
	for name, of := range numbers {
		*of(&v) = int(integer(entry[name]))
	}
	for name, of := range texts {
		*of(&v) = entry[name]
	}
	if entry["INSTAR_RESULT"] != succeeded {
		v.Err = errors.New(entry["INSTAR_REASON"]) // Words included, which Reason does not repeat
	}
	if began := integer(entry["INSTAR_BEGAN_USEC"]); began != 0 {
		v.Began = time.UnixMicro(began)
	}
	if lines := entry["INSTAR_LEFT_BEHIND"]; lines != "" {
		v.LeftBehind = strings.Split(lines, "\n")
	}
	for _, p := range generation.Phases() {
		if took, ok := entry[stepField(p.String())]; ok {
			v.Steps = append(v.Steps, Step{p.String(), span(took)})
		}
	}
	if took := span(entry["INSTAR_TOOK_USEC"]); took != 0 && len(v.Steps) == 0 {
		v.Steps = []Step{{Took: took}}
	}
	return v
}

// stepField is the field that has how long a phase took.
func stepField(phase string) string {
	return "INSTAR_" + strings.ToUpper(strings.ReplaceAll(phase, " ", "_")) + "_USEC"
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func span(usec string) time.Duration { return time.Duration(integer(usec)) * time.Microsecond }

// integer is 0 for anything else.
func integer(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
