package units

import (
	"io/fs"
	"time"

	"github.com/instar-project/instar/internal/limits"
)

// Rule is one thing that [Verify] looks at.
type Rule struct {
	ID       string // "kill-mode"
	Severity Severity
	Man      string // "systemd.kill(5)"
	Summary  string // the demand, in a few words
	live     bool   // it compares with Pair.Running, see VerifyRunning

	check func(p Pair, o Options, report reporter)
}

// reporter takes a finding of a rule: the unit and the line, why, and the line to
// write instead ("" when there is none).
type reporter func(u *Unit, at Directive, reason, write string)

// Rules are all rules, in the order of a service's life: its type, its commands,
// its end, its sockets, limits and upgrades, the settings that these do not change,
// its store, its sandbox, and how it runs.
func Rules() []Rule {
	var all []Rule
	for _, group := range [][]Rule{
		versionRules, serviceRules, execRules, stopRules, pairRules, socketRules, pathRules, limitRules, timeoutRules,
		reloadRules, staleRules, storeRules, sandboxRules, liveRules,
	} {
		all = append(all, group...)
	}
	return all
}

// Options are the facts that [Verify] cannot see in the units. The zero value is a
// service with the defaults of package reload that keeps nothing in the store.
type Options struct {
	// ReadyTimeout and DrainTimeout are those of the service's reload.Config.
	// Zero: 30 s each.
	ReadyTimeout, DrainTimeout time.Duration

	// Probation is how long a successor serves before it counts as proven.
	// Zero: not at all.
	Probation time.Duration

	// Store is how many entries the service wants systemd to keep. Zero: none.
	Store int

	// Systemd is the major version that is to run the units, such as 257. Zero:
	// not known, and not judged.
	Systemd int

	// Helper is the path of instar, which answers for upgrades. Empty: /usr/bin/instar,
	// where its package puts it.
	Helper string

	// Root is the file system of the machine that is to run the units, such as
	// os.DirFS("/"), for the files that a unit names: scripts, links, permissions.
	// Nil: not known, and not judged.
	Root fs.FS
}

// Lowest is the lowest version of systemd that Instar supports: the first with
// $FDSTORE, and with Type=notify-reload as it is used here.
const Lowest = 254

// Verify looks at a service and its sockets, and returns the settings that get in
// the way of upgrades, the worst first; nothing when all is well. It does not look
// at the bus or the clock, nor at files but in Options.Root.
func Verify(p Pair, o Options) []Finding {
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = limits.ReadyTimeout
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = limits.DrainTimeout
	}
	if o.Helper == "" {
		o.Helper = "/usr/bin/instar"
	}
	var findings []Finding
	if p.Service == nil {
		p.Service = &Unit{Name: "the service"}
	}
	for _, u := range append([]*Unit{p.Service}, p.Sockets...) {
		findings = append(findings, u.Problems...)
	}
	for _, r := range Rules() {
		r.check(p, o, func(u *Unit, at Directive, reason, write string) {
			findings = append(findings, Finding{
				Rule: r.ID, Severity: r.Severity,
				Unit: u.Name, File: at.File, Line: at.Line, Section: at.Section, Directive: at.Name,
				Reason: reason, Write: write, Man: r.Man,
			})
		})
	}
	return Merge(findings)
}

// onService makes a check that looks at the service alone.
func onService(check func(u *Unit, o Options, report reporter)) func(Pair, Options, reporter) {
	return func(p Pair, o Options, report reporter) { check(p.Service, o, report) }
}

// onSocket makes a check that looks at each socket alone.
func onSocket(check func(u *Unit, report reporter)) func(Pair, Options, reporter) {
	return func(p Pair, _ Options, report reporter) {
		for _, u := range p.Sockets {
			check(u, report)
		}
	}
}
