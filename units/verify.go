package units

import (
	"context"
	"io/fs"
	"os"

	"github.com/instar-project/instar/internal/units"
)

// ErrNotFound is in the error of [Load] and [Ask] when there is no such service.
var ErrNotFound = units.ErrNotFound

// Units are a service and the sockets that it is passed, by [Load] or [Ask].
type Units struct {
	pair    units.Pair
	systemd int   // the version that runs them; 0: not known
	root    fs.FS // of the machine that runs them; nil: not known
}

// Load reads the units of a service, such as "web.service", from files and their
// drop-ins, as systemd would: of several folders, the first that has a file counts. The
// sockets are those that the service names (Sockets=, Requires=, Wants=), the one of its
// name, and those that name it (Service=). Without folders, Load reads those of this
// machine's systemd, see "Unit File Load Path" in systemd.unit(5).
func Load(service string, folders ...string) (Units, error) {
	var u Units
	if len(folders) == 0 {
		folders, u.root = units.SearchPath(units.System, ""), os.DirFS("/")
	}
	var err error
	u.pair, err = units.Load(folders, service)
	return u, err
}

// Ask asks a running systemd for the units of a service, drop-ins and defaults included,
// and how the service runs: systemd may have closed a socket that was edited since, or a
// socket's path may be gone. Units that have changed since systemd loaded them do not
// show.
func Ask(ctx context.Context, scope Scope, service string) (Units, error) {
	conn, err := units.Dial(ctx, units.Scope(scope))
	if err != nil {
		return Units{}, err
	}
	defer conn.Close()
	u := Units{root: os.DirFS("/")}
	if u.pair, err = conn.Pair(ctx, service); err != nil {
		return Units{}, err
	}
	if u.pair.Running, err = conn.Running(ctx, u.pair, units.Running{}); err != nil {
		return Units{}, err
	}
	u.systemd, err = conn.Version(ctx)
	return u, err
}

// Verify returns a finding for each setting that gets in the way of upgrades, the worst
// first; nothing when all is well. Of s it takes ReadyTimeout, DrainTimeout, Probation
// and Store, which the units have to fit.
func (u Units) Verify(s Service) []Finding {
	var findings []Finding
	for _, f := range units.Verify(u.pair, units.Options{
		ReadyTimeout: s.ReadyTimeout, DrainTimeout: s.DrainTimeout, Probation: s.Probation,
		Store: s.Store, Systemd: u.systemd, Root: u.root,
	}) {
		findings = append(findings, Finding(f))
	}
	return findings
}

// A Finding is one setting that gets in the way of upgrades.
type Finding struct {
	Rule      string   // its ID, as `instar verify --list` lists them
	Severity  Severity //
	Unit      string   // "web.service"
	File      string   // the unit file or drop-in; "" for a live unit and for a line that is missing
	Line      int      // in File, from 1; 0 without File
	Section   string   // "Service"
	Directive string   // "KillMode"; "" when it is not about one
	Reason    string   // why, in one sentence
	Write     string   // the line to write instead, "KillMode=control-group"; "" when there is none to give
	Man       string   // the man page to read, "systemd.kill(5)"
}

// String is the finding in one line:
//
//	web.service:7: error: KillMode=process leaves …; write KillMode=control-group in [Service]; see systemd.kill(5) [kill-mode]
func (f Finding) String() string { return units.Finding(f).String() }

// A Severity says how bad a [Finding] is: "hint", "warning" or "error".
type Severity = units.Severity

const (
	SeverityHint    = units.Hint    // works, and could be better
	SeverityWarning = units.Warning // works until something else goes wrong, or loses something then
	SeverityError   = units.Error   // upgrades do not work, or lose something
)
