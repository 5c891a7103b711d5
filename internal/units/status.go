package units

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// Status is how a unit is, as systemd has it. The fields from MainPID on are
// those of a service, and zero for any other unit.
type Status struct {
	Unit         string
	Load         string // LoadState=: "loaded", "not-found", "masked", …
	Active       string // ActiveState=: "active", "reloading", "failed", …
	Sub          string // SubState=
	Description  string
	FragmentPath string   // the unit file
	DropInPaths  []string //
	UnitFile     string   // UnitFileState=: "enabled", "static", …

	// NeedDaemonReload says that the files have changed since systemd read them.
	NeedDaemonReload bool

	// ActiveEnter is when it last became active; zero: never.
	ActiveEnter time.Time

	// Job is the job of systemd on the unit; nil: there is none.
	Job *Job

	MainPID   int
	LastPID   int           // of the main process, or the last one there was
	Exit      string        // how the last one ended, such as "exited with status 1"; "" if it runs, or there was none
	NRestarts int           // by Restart=
	Result    string        // "success", "exit-code", "start-limit-hit", …; of a socket too
	Text      string        // STATUS= of sd_notify(3)
	Errno     syscall.Errno // ERRNO= of sd_notify(3)
	Stderr    string        // where its standard error goes: "journal", "append", "file", "null", …

	// StoreEntries of StoreMax entries of the file descriptor store are taken.
	StoreEntries, StoreMax int
}

// Query asks for the status of a unit. A unit that does not exist has one too:
// Load is "not-found".
func (c *Conn) Query(ctx context.Context, unit string) (Status, error) {
	p, err := c.properties(ctx, unit)
	if err != nil {
		return Status{}, c.failed("Query", unit, err)
	}
	s := Status{
		Unit:             unit,
		Load:             p.text("LoadState"),
		Active:           p.text("ActiveState"),
		Sub:              p.text("SubState"),
		Description:      p.text("Description"),
		FragmentPath:     p.text("FragmentPath"),
		DropInPaths:      p.list("DropInPaths"),
		UnitFile:         p.text("UnitFileState"),
		NeedDaemonReload: p.bool("NeedDaemonReload"),
		ActiveEnter:      p.time("ActiveEnterTimestamp"),
		Result:           p.text("Result"),
		MainPID:          p.int("MainPID"),
		LastPID:          p.int("ExecMainPID"),
		Exit:             exit(p.int("ExecMainCode"), p.int("ExecMainStatus")),
		NRestarts:        p.int("NRestarts"),
		Text:             p.text("StatusText"),
		Errno:            syscall.Errno(p.int("StatusErrno")),
		Stderr:           p.text("StandardError"),
		StoreEntries:     p.int("NFileDescriptorStore"),
		StoreMax:         p.int("FileDescriptorStoreMax"),
	}
	if s.Job, err = c.job(ctx, p); err != nil {
		return Status{}, c.failed("Query", unit, err)
	}
	if s.Stderr == "inherit" {
		s.Stderr = p.text("StandardOutput")
	}
	return s, nil
}

// exit is the end of a process in words; code and status are those of waitid(2).
func exit(code, status int) string {
	const exited, killed, dumped = 1, 2, 3 // CLD_…
	switch code {
	case exited:
		return fmt.Sprintf("exited with status %d", status)
	case killed, dumped:
		name := unix.SignalName(syscall.Signal(status))
		if name == "" {
			name = fmt.Sprintf("signal %d", status)
		}
		return "was killed by " + name
	}
	return ""
}

// properties are those of a unit, by name, as D-Bus has them. A name or a type
// that this systemd does not have reads as the zero value.
type properties map[string]any

func (c *Conn) properties(ctx context.Context, unit string) (properties, error) {
	if err := checkUnitName(unit); err != nil {
		return nil, err
	}
	all, err := c.systemd.GetAllPropertiesContext(ctx, unit)
	return properties(all), err
}

// checkUnitName refuses names for which systemd's answer would be obscure.
func checkUnitName(unit string) error {
	if dot := strings.LastIndexByte(unit, '.'); dot <= 0 || dot == len(unit)-1 || !oneLine(unit) || strings.ContainsAny(unit, " /") {
		return fmt.Errorf("%q is no name of a unit: write one such as web.service", unit)
	}
	return nil
}

func (p properties) text(name string) string {
	s, _ := p[name].(string)
	return s
}

func (p properties) bool(name string) bool {
	b, _ := p[name].(bool)
	return b
}

func (p properties) list(name string) []string {
	l, _ := p[name].([]string)
	return slices.Clone(l)
}

func (p properties) number(name string) (uint64, bool) {
	switch n := p[name].(type) {
	case uint32:
		return uint64(n), true
	case uint64:
		return n, true
	case int32:
		return uint64(max(0, n)), true
	}
	return 0, false
}

func (p properties) int(name string) int {
	n, _ := p.number(name)
	return int(min(n, math.MaxInt32))
}

// time is a timestamp in microseconds since 1970; systemd's "never" is zero.
func (p properties) time(name string) time.Time {
	usec, _ := p.number(name)
	if usec == 0 || usec > math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec))
}

// jobOf is the property Job, (uo): its number and its object; 0: none.
func (p properties) jobOf() (id uint32, path dbus.ObjectPath) {
	if pair, ok := p["Job"].([]any); ok && len(pair) == 2 {
		id, _ = pair[0].(uint32)
		path, _ = pair[1].(dbus.ObjectPath)
	}
	return id, path
}
