package reload

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/instar-project/instar/internal/limits"
)

// Config says how generations follow each other. The zero value works.
type Config struct {
	// ReadyTimeout is how long a successor may take from its start until its
	// application calls Serve. Zero: 30 s. It must be shorter than TimeoutStartSec= of
	// the unit, which bounds a reload as a whole.
	ReadyTimeout time.Duration

	// DrainTimeout is how long connections may take to end after a handover or
	// SIGTERM; then they are closed. Zero: 30 s. It must be shorter than
	// TimeoutStopSec= of the unit.
	DrainTimeout time.Duration

	// CutWindow is the last part of DrainTimeout. In it the connections that are left are
	// closed one after the other, those with an answer under way last, so that their
	// clients do not come back in one burst; the last one is closed when DrainTimeout has
	// passed. Zero: a tenth of DrainTimeout; negative: all are closed then. More than
	// DrainTimeout is the same as that.
	CutWindow time.Duration

	// Probation is how long a successor serves before `systemctl reload` returns
	// and its predecessor drains. If it crashes, hangs or fails Health meanwhile,
	// the predecessor takes back: it accepts again, with the successor's additions
	// to the store, and the upgrade has failed. Zero: none. The successor's own
	// Config decides.
	Probation time.Duration

	// Standby is how long a predecessor stays after a takeover to take back if its
	// successor dies, even when it has nothing left to drain. It ends earlier when
	// its successor is followed in turn. Zero: 3 s; negative: not at all.
	// More than DrainTimeout is the same as that.
	Standby time.Duration

	// EndTimeout is how long this generation's process may take to end once its drain
	// is over, or DrainTimeout has passed: what main does after Serve counts. After
	// that the main process kills it. Zero: 15 s; negative: never, such
	// as for a process in a debugger.
	EndTimeout time.Duration

	// MaxDraining is how many older generations may drain at the same time. If
	// there are more, the oldest closes its connections and ends. Zero: 4.
	MaxDraining int

	// Executable is the path of the program that a reload starts. Empty: the path
	// that systemd has started, argv[0], resolved anew at each reload, so that a
	// replaced file or a moved symlink takes effect. Set it when ExecStart= begins
	// with '@' and so hides that path.
	Executable string

	// Directory is the working directory of successors, an absolute path that is
	// resolved anew at each reload: write the unit's WorkingDirectory= here if that is
	// a symlink which a deployment moves. If it has gone, the upgrade fails. Empty: the
	// directory that Command returns, or else the one that this process was started in,
	// which the program's own os.Chdir does not change. The first generation starts
	// where systemd starts it.
	Directory string

	// Command, if set, returns the command that starts the next generation;
	// status.Command is one, and asks systemd. It is called at each upgrade, and before
	// it by [Service.Preflight]. A field that is nil or empty stands for that of this
	// process's own start, see [Service.Command]. Variables that are meant for one
	// process alone, such as LISTEN_FDS, are taken out. An error fails the upgrade. Its
	// context ends after a few seconds, and Serve does nothing else meanwhile.
	Command func(ctx context.Context, svc *Service) (Command, error)

	// Preflight, if set, says whether this build could serve here: with this
	// configuration, these files and these backends. Open calls it in a process that
	// the running service has started to ask that, see [Service.Preflight], and in
	// no other. It must change nothing: another generation serves. Its context ends
	// when the service does not wait for the answer any more.
	Preflight func(context.Context) error

	// Build is the name of this build in logs and STATUS=, in one line. Empty: the
	// module's version or VCS revision from the build information.
	Build string

	// Health, if set, says whether the service is well. In a probation it is asked
	// twice a second: an error fails the probation, and one that wraps ErrProven ends
	// it well. After that it is asked before every watchdog ping (WatchdogSec= of
	// the unit): an error withholds it, see [notify.Notifier.KeepAlive]. It is
	// never called twice at the same time for the same purpose, and must return
	// when its context ends.
	Health func(context.Context) error

	// PublicReasons makes the words of a failure public: the error that was given to
	// Refuse, or that a Keeper or Health returned, and the panic of a successor that
	// crashed. They may hold anything, such as a database URL with its password, and
	// every local user can read STATUS= (systemctl status) and the service's D-Bus
	// properties. False: those show the kind of failure, an exit status or signal, and
	// an errno; the words go to the journal, where root and the group systemd-journal
	// read them, and from there into instar upgrade and instar status.
	PublicReasons bool

	// AllowForeign allows an upgrade or a preflight to start a Go program that does not
	// use this library, such as a wrapper written in Go that executes the service. False:
	// such a program, which would not know that it was only asked, and serve, is refused
	// unstarted. A program that is not written in Go, such as a shell script, is always
	// started.
	AllowForeign bool

	// Logger gets the events, a line each. Nil: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	for _, t := range []struct {
		name  string
		value *time.Duration
		deflt time.Duration
	}{
		{"ReadyTimeout", &c.ReadyTimeout, limits.ReadyTimeout},
		{"DrainTimeout", &c.DrainTimeout, limits.DrainTimeout},
		{"Probation", &c.Probation, 0},
	} {
		if *t.value < 0 {
			return c, fmt.Errorf("reload: Config.%s is %v: give a positive duration, or 0 for %v", t.name, *t.value, t.deflt)
		}
		if *t.value == 0 {
			*t.value = t.deflt
		}
	}
	if c.CutWindow == 0 {
		c.CutWindow = c.DrainTimeout / 10
	}
	c.CutWindow = min(c.CutWindow, c.DrainTimeout)
	if c.Standby == 0 {
		c.Standby = limits.Standby
	}
	if c.EndTimeout == 0 {
		c.EndTimeout = limits.EndTimeout
	}
	if c.MaxDraining < 0 {
		return c, fmt.Errorf("reload: Config.MaxDraining is %d: give a positive number, or 0 for %d", c.MaxDraining, limits.MaxDraining)
	}
	if c.MaxDraining == 0 {
		c.MaxDraining = limits.MaxDraining
	}
	if c.Directory != "" && !filepath.IsAbs(c.Directory) {
		return c, fmt.Errorf("reload: Config.Directory is %q: give an absolute path, as in WorkingDirectory= of the unit", c.Directory)
	}
	if c.Build == "" {
		c.Build = buildName()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// buildName is the module's version, or the VCS revision it was built from.
func buildName() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		return v
	case revision != "":
		return revision + dirty
	}
	return "unknown"
}
