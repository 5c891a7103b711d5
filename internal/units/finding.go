package units

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a [Finding] is.
type Severity int

const (
	Hint    Severity = iota // works, and could be better
	Warning                 // works until something else goes wrong, or loses something then
	Error                   // upgrades do not work, or lose something
)

func (s Severity) String() string {
	switch s {
	case Hint:
		return "hint"
	case Warning:
		return "warning"
	}
	return "error"
}

// MarshalText gives the severity its name in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is one thing that [Verify], [Parse] or [Analyze] has to say.
type Finding struct {
	Rule      string   // its ID, see [Rules]; "systemd-analyze" for a finding of that tool
	Severity  Severity //
	Unit      string   // "web.service"
	File      string   // the unit file or drop-in; "" for a live unit and for a line that is missing
	Line      int      // in File, from 1; 0 without File
	Section   string   // "Service"
	Directive string   // "KillMode"; "" when it is not about one
	Reason    string   // why, in one sentence
	Write     string   // the line to write instead, "KillMode=control-group"; "" when there is none to give
	Man       string   // where to read on, "systemd.kill(5)"
}

// String is the finding in one line:
//
//	web.service:7: error: KillMode=process leaves …; write KillMode=control-group in [Service]; see systemd.kill(5) [kill-mode]
func (f Finding) String() string {
	var b strings.Builder
	switch {
	case f.File != "" && f.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", f.File, f.Line)
	case f.File != "":
		fmt.Fprintf(&b, "%s: ", f.File)
	case f.Unit != "":
		fmt.Fprintf(&b, "%s: ", f.Unit)
	}
	fmt.Fprintf(&b, "%s: %s", f.Severity, f.Reason)
	if f.Write != "" {
		fmt.Fprintf(&b, "; write %s", f.Write)
		if f.Section != "" {
			fmt.Fprintf(&b, " in [%s]", f.Section)
		}
	}
	if f.Man != "" {
		fmt.Fprintf(&b, "; see %s", f.Man)
	}
	fmt.Fprintf(&b, " [%s]", f.Rule)
	return b.String()
}

// Merge puts findings of several sources together: those that begin with the
// worst, then by unit, file and line, each once.
func Merge(lists ...[]Finding) []Finding {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Unit, b.Unit),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Reason, b.Reason),
		)
	})
	return slices.Compact(all)
}
