package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/units"
)

// started is how systemd has started the service, as generations pass it on: see
// reload.Service.SetStartedWith. Digests are compared; one in four thousand million
// changes is not seen.
type started struct {
	// Systemd is its version: others show settings otherwise. 0: Settings are not known.
	Systemd int `json:"systemd"`
	// Settings are by directive: a digest, and after "=" the value unless it is long.
	Settings map[string]string `json:"settings"`
	// Variables are digests of the values that the unit sets, by source, "" for
	// Environment= or the path of a file, and name. "": that source has set it once.
	Variables map[string]map[string]string `json:"variables"`
}

// A service that has reload.Config.Command follows it.
var commandSettings = []string{"ExecStart"}

func startedWith(systemd int, x units.Execution) started {
	s := started{Systemd: systemd, Settings: make(map[string]string)}
	set := func(directive, value string) { s.Settings[directive] = digest(value) + "=" + value }
	for directive, value := range x.Fixed {
		set(directive, value)
	}
	set("ExecStart", strings.Join(slices.Concat([]string{x.Path}, x.Argv[1:]), " "))
	for directive, value := range s.Settings {
		if strings.HasPrefix(directive, "SetCredential") { // a secret
			s.Settings[directive], _, _ = strings.Cut(value, "=")
		}
	}
	s.add(x.Variables())
	return s
}

func digest(value string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(value))) }

// add notes what the sources set now that can be read.
func (s *started) add(now []units.Variables) {
	for _, source := range now {
		if source.Err != nil {
			continue
		}
		names := make(map[string]string)
		for name := range s.Variables[source.Path] {
			names[name] = ""
		}
		for _, kv := range source.Assignments {
			name, value, _ := strings.Cut(kv, "=")
			names[name] = digest(value)
		}
		if s.Variables == nil {
			s.Variables = make(map[string]map[string]string)
		}
		s.Variables[source.Path] = names
	}
}

// noting makes a change of the note one step.
var noting sync.Mutex

// note changes what later generations will know.
func note(svc *reload.Service, change func(*started)) error {
	noting.Lock()
	defer noting.Unlock()
	s, _ := parseStarted(svc.StartedWith())
	change(&s)
	return svc.SetStartedWith(s.String())
}

// parseStarted reads what an earlier generation has noted, maybe one of another build; ok
// is false if it has no settings, or none that this build understands.
func parseStarted(text string) (s started, ok bool) {
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return started{}, false
	}
	return s, s.Systemd > 0
}

// String has the values that there is room for, the shorter ones first.
func (s started) String() string {
	for longest := 64; ; longest /= 2 {
		short := s
		short.Settings = make(map[string]string)
		for directive, v := range s.Settings {
			if is, value, _ := strings.Cut(v, "="); len(value) > longest || longest == 0 {
				v = is
			}
			short.Settings[directive] = v
		}
		text, err := json.Marshal(short)
		if err != nil {
			return "" // there is nothing in it that JSON does not have
		}
		if len(text) <= reload.MaxStartedWith || longest == 0 {
			return string(text)
		}
	}
}

// changed are the settings that are others now, a line each. follows: the commandSettings
// reach a successor. Nothing is known if systemd itself is another.
func (s started) changed(now started, follows bool) []string {
	all := []string{}
	if s.Systemd != now.Systemd {
		return all
	}
	for _, directive := range slices.Sorted(maps.Keys(now.Settings)) {
		was, before, shown := strings.Cut(s.Settings[directive], "=")
		is, value, shows := strings.Cut(now.Settings[directive], "=")
		switch {
		case was == "" || was == is || follows && slices.Contains(commandSettings, directive):
		case shown && shows:
			all = append(all, fmt.Sprintf("%s=%s (at the start: %s)", directive, value, cmp.Or(before, "none")))
		default:
			all = append(all, directive+"= has changed since the start")
		}
	}
	return all
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
		for name, was := range before {
			if _, ok := set[name]; !ok && was != "" {
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
