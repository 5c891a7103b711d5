package status

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/instar-project/instar/internal/units"
)

// note notes the variables of a source, if it can be read.
func (s *started) note(source units.Variables) {
	if source.Err != nil {
		return
	}
	names := make(map[string]string)
	for _, kv := range source.Assignments {
		name, value, _ := strings.Cut(kv, "=")
		names[name] = digest(value)
	}
	s.setVariables(source.Path, names)
}

func (s *started) setVariables(path string, names map[string]string) {
	if s.Variables == nil {
		s.Variables = make(map[string]map[string]string)
	}
	s.Variables[path] = names
}

// bySystemd are the variables that systemd sets itself where the unit does not:
// their values are not known here once the unit no longer sets them.
var bySystemd = strings.Fields("PATH LANG USER LOGNAME HOME SHELL TERM")

// unread is the source of variables from files that could not be read at the start, as
// far as they are known: those that no other source sets.
const unread = "?"

// systemdSets matches variables that systemd sets for a service by itself; see
// "Environment Variables in Spawned Processes" in systemd.exec(5).
var systemdSets = regexp.MustCompile(`^(INVOCATION_ID|JOURNAL_STREAM|LOG_NAMESPACE|NOTIFY_SOCKET|MAINPID|MANAGERPID.*|` +
	`SYSTEMD_.*|FDSTORE|PIDFILE|[A-Z]+_DIRECTORY|LISTEN_.*|WATCHDOG_.*|MEMORY_PRESSURE_.*|TRIGGER_.*|MONITOR_.*|XDG_.*|INSTAR_.*)$`)

// noteUnread notes the variables of own, this process's at its start, that must be from
// files that cannot be read, if there are any.
func (s *started) noteUnread(own []string, x units.Execution) {
	if !slices.ContainsFunc(x.Variables(), func(source units.Variables) bool { return source.Err != nil }) {
		return
	}
	names := make(map[string]string)
	for _, kv := range own {
		name, value, _ := strings.Cut(kv, "=")
		if !systemdSets.MatchString(name) && !slices.Contains(bySystemd, name) && !slices.Contains(x.Inherited, name) {
			names[name] = digest(value)
		}
	}
	for path, set := range s.Variables {
		for name, is := range set {
			if path != unread && names[name] == is {
				delete(names, name)
			}
		}
	}
	s.setVariables(unread, names)
}

// follow is the environment of a successor: own, less the variables that the unit has set
// for this process, and with those that it sets now. then is the note for the successor.
// If a file cannot be read, a variable that may be from there stays as it is: all but
// those that another source is known to have set. doubtful says which of them another
// source sets otherwise now, a line each.
func (s started) follow(own []string, now []units.Variables, unset []string) (environ []string, then started, doubtful []string) {
	then = started{Systemd: s.Systemd, Settings: s.Settings}
	hidden := make(map[string]bool) // the files that cannot be read
	for _, source := range now {
		if source.Err != nil {
			hidden[source.Path] = true
			if names := s.Variables[source.Path]; names != nil {
				then.setVariables(source.Path, names)
			}
		}
	}
	if names := s.Variables[unread]; names != nil && len(hidden) > 0 {
		hidden[unread] = true
		then.setVariables(unread, names)
	}
	set := func(name, kv string) {
		environ = slices.DeleteFunc(environ, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		environ = append(environ, kv)
	}
	stays := make(map[string]bool)
	for _, kv := range own {
		name, value, _ := strings.Cut(kv, "=")
		seen, ours := false, false // the unit has set it; and by a source that is known
		for path, names := range s.Variables {
			was, ok := names[name]
			seen = seen || ok
			ours = ours || ok && !hidden[path] && was == digest(value)
		}
		known := slices.Contains(bySystemd, name)
		stays[name] = len(hidden) > 0 && !ours && !known
		if !seen || known || stays[name] {
			set(name, kv)
		}
	}
	for _, source := range now {
		then.note(source)
		for _, kv := range source.Assignments {
			name, value, _ := strings.Cut(kv, "=")
			if !stays[name] {
				set(name, kv)
				continue
			}
			if was := s.Variables[source.Path][name]; was != digest(value) && !slices.Contains(own, kv) {
				doubtful = append(doubtful, fmt.Sprintf("%s: %s stays as it was, as a file that cannot be read may set it", sourceName(source.Path), name))
				delete(then.Variables[source.Path], name) // to be said again
			}
		}
	}
	environ = slices.DeleteFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(unset, name) || slices.Contains(unset, kv)
	})
	return environ, then, doubtful
}

// otherVariables says which variables the sources set otherwise now than they did, a line
// for each source. For a file that was not read before, own tells the variables that it
// has set.
func (s started) otherVariables(now []units.Variables, own []string) []string {
	all := []string{}
	report := func(path string, names []string) {
		if len(names) > 0 {
			slices.Sort(names)
			all = append(all, fmt.Sprintf("%s: %s changed since the start", sourceName(path), strings.Join(slices.Compact(names), ", ")))
		}
	}
	there, hidden := make(map[string]bool), false
	anywhere := make(map[string]bool)
	for _, source := range now {
		there[source.Path] = true
		if source.Err != nil {
			hidden = true
			continue
		}
		before, known := s.Variables[source.Path]
		set := make(map[string]string)
		var names []string
		for _, kv := range source.Assignments {
			name, value, _ := strings.Cut(kv, "=")
			set[name] = value
			anywhere[name] = true
		}
		for name, value := range set {
			if known && before[name] != digest(value) || !known && !slices.Contains(own, name+"="+value) {
				names = append(names, name)
			}
		}
		for name := range before {
			if _, ok := set[name]; !ok {
				names = append(names, name)
			}
		}
		report(source.Path, names)
	}
	for _, path := range slices.Sorted(maps.Keys(s.Variables)) {
		names := slices.Collect(maps.Keys(s.Variables[path]))
		switch {
		case path == unread && !hidden:
			report(path, slices.DeleteFunc(names, func(name string) bool { return anywhere[name] }))
		case path != unread && !there[path]:
			report(path, names)
		}
	}
	return all
}

// sourceName is how a source of variables is called in a unit.
func sourceName(path string) string {
	switch path {
	case "":
		return "Environment="
	case unread:
		return "EnvironmentFile="
	}
	return "EnvironmentFile=" + path
}
