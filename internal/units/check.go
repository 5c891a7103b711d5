package units

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/instar-project/instar/internal/fdname"
)

// ErrInvalid is in the error of [Write] when a [Service] makes no sense.
var ErrInvalid = errors.New("not a service that can be written")

// unitPrefix matches the names of units that systemd allows, see systemd.unit(5).
// '@' is left out: a template's sockets would need instances of their own.
var unitPrefix = regexp.MustCompile(`^[A-Za-z0-9:_.\\-]{1,200}$`)

// check checks a service, and names the wrong fields in one error.
func (s Service) check() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("units: Service %q: %w: "+format, append([]any{s.Name, ErrInvalid}, args...)...))
	}
	if !unitPrefix.MatchString(s.Name) {
		bad("Name: a unit's name has 1 to 200 of the characters A-Z a-z 0-9 : _ . \\ -")
	}
	if !oneLine(s.Description) {
		bad("Description is not one line of text")
	}
	for _, command := range []struct {
		field string
		argv  []string
	}{{"ExecStart", s.ExecStart}, {"ExecReload", s.ExecReload}, {"ExecReloadPost", s.ExecReloadPost}} {
		if problem := commandProblem(command.argv); problem != "" {
			bad("%s %s", command.field, problem)
		} else if len(command.argv) > 0 {
			if problem := s.hides(command.argv[0]); problem != "" {
				bad("%s: %s", command.field, problem)
			}
		}
	}
	if len(s.ExecStart) == 0 {
		bad("ExecStart is empty: name the program's absolute path")
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"ReadyTimeout", s.ReadyTimeout}, {"DrainTimeout", s.DrainTimeout},
		{"Probation", s.Probation}, {"Watchdog", s.Watchdog},
	} {
		if d.value < 0 {
			bad("%s is %v: give a positive duration, or 0", d.field, d.value)
		}
	}
	if s.Watchdog > 0 && s.Watchdog <= s.Probation {
		bad("Watchdog (%v) is not longer than Probation (%v): the watchdog stops the unit, predecessor included, before the probation can take back", s.Watchdog, s.Probation)
	}
	if s.Store < 0 {
		bad("Store is %d: give a number of entries, or 0", s.Store)
	}
	if s.Account != "" && s.Scope == User {
		bad("Account: the user manager runs everything as its own user")
	}
	if !oneWord(s.Account) {
		bad("Account %q is not a user's name", s.Account)
	}
	for _, set := range s.Settings {
		if !unitPrefix.MatchString(set.Name) || !oneLine(set.Value) {
			bad("Settings: %q is not a line of a unit file", set.Name+"="+set.Value)
		}
		if set.Name == "RuntimeDirectoryPreserve" && s.losesPaths() {
			bad("Settings: RuntimeDirectoryPreserve=%s: systemd would remove RuntimeDirectory= at a stop, and a socket with it: leave that setting out, and it is yes; or put the socket elsewhere", set.Value)
		}
	}
	if len(s.Sockets) == 0 {
		bad("Sockets is empty: sockets come from systemd")
	}
	names := make(map[string]bool)
	for i, socket := range s.Sockets {
		if problem := nameProblem(socket.Name); problem != "" {
			bad("Sockets[%d]: Name %q %s", i, socket.Name, problem)
		} else if i > 0 && !unitPrefix.MatchString(socket.Name) {
			bad("Sockets[%d]: Name %q cannot be part of a unit's name", i, socket.Name)
		}
		if names[socket.Name] {
			bad("Sockets[%d]: Name %q is that of an earlier one: list its addresses there", i, socket.Name)
		}
		names[socket.Name] = true
		if socket.Backlog < 0 {
			bad("Sockets[%d]: Backlog is %d: give a number of connections, or 0", i, socket.Backlog)
		}
		if len(socket.Listen) == 0 {
			bad("Sockets[%d]: Listen is empty", i)
		}
		for _, l := range socket.Listen {
			switch l.Directive {
			case "ListenStream", "ListenDatagram", "ListenSequentialPacket":
			default:
				bad("Sockets[%d]: %q is no directive for a listener: use ListenStream, ListenDatagram or ListenSequentialPacket", i, l.Directive)
			}
			if l.Address == "" || !oneWord(l.Address) {
				bad("Sockets[%d]: address %q is not one word", i, l.Address)
			}
		}
	}
	return errors.Join(problems...)
}

// commandProblem says why argv is unfit for ExecStart= and its like; "" if it is
// fit.
func commandProblem(argv []string) string {
	if len(argv) > 0 && (!path.IsAbs(argv[0]) || path.Clean(argv[0]) != argv[0]) {
		return fmt.Sprintf("begins with %q: give an absolute path without '.' or '..'", argv[0])
	}
	if len(argv) > 0 && strings.Contains(argv[0], "$") {
		return fmt.Sprintf("begins with %q: systemd cannot be told of a program with '$' in its path", argv[0])
	}
	for _, arg := range argv {
		if !oneLine(arg) {
			return fmt.Sprintf("has the argument %q, which is not one line of text", arg)
		}
	}
	return ""
}

// hides says why the sandbox that Write renders would hide the program.
func (s Service) hides(program string) string {
	if s.Scope == User {
		return ""
	}
	for _, dir := range []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp", "/dev", "/proc"} {
		if within(program, dir) {
			return fmt.Sprintf("%s is below %s, which the service cannot see in its sandbox: install it elsewhere, such as /opt or /usr/local/lib", program, dir)
		}
	}
	return ""
}

// nameProblem says why name is unfit for FileDescriptorName= of a socket of this
// service, in words that follow it; "" if it is fit.
func nameProblem(name string) string {
	if strings.HasPrefix(name, fdname.ReservedPrefix) {
		return "begins with " + fdname.ReservedPrefix + ", as the library's own entries in the store do"
	}
	return fdname.Problem(name)
}

// oneLine reports whether s can be in a value of a unit file.
func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func oneWord(s string) bool { return oneLine(s) && !strings.ContainsAny(s, " \t\"'\\") }

// within reports whether a clean absolute path is dir or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
