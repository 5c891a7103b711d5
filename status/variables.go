package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/instar-project/instar/units"
)

// note notes what a source sets, if it can be read.
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

// bySystemd are the variables that systemd sets itself where the unit does not: what
// the unit no longer says of them is not known here.
var bySystemd = strings.Fields("PATH LANG USER LOGNAME HOME SHELL TERM")

// follow is the environment of a successor: own, less what the unit has set for this
// process, and with what it sets now. then is the note for the successor. If a file cannot
// be read, a variable that may be from there stays as it is: all but those that another
// source is known to have set. doubtful says which of them another source sets otherwise
// now, a line each.
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
// for each source. Of a file that was not read before, own tells what it has set.
func (s started) otherVariables(now []units.Variables, own []string) []string {
	all := []string{}
	report := func(path string, names []string) {
		if len(names) > 0 {
			slices.Sort(names)
			all = append(all, fmt.Sprintf("%s: %s changed since the start", sourceName(path), strings.Join(slices.Compact(names), ", ")))
		}
	}
	there := make(map[string]bool)
	for _, source := range now {
		there[source.Path] = true
		if source.Err != nil {
			continue
		}
		before, known := s.Variables[source.Path]
		set := make(map[string]string)
		var names []string
		for _, kv := range source.Assignments {
			name, value, _ := strings.Cut(kv, "=")
			set[name] = value
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
		if !there[path] {
			report(path, slices.Collect(maps.Keys(s.Variables[path])))
		}
	}
	return all
}

// sourceName is how a source of variables is called in a unit.
func sourceName(path string) string {
	if path == "" {
		return "Environment="
	}
	return "EnvironmentFile=" + path
}
