package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/units"
)

// started is how systemd has started the service, as generations pass it on: see
// package inside. Digests are compared; one in four thousand million
// changes is not seen.
type started struct {
	// Systemd is its version: others show settings otherwise. 0: Settings are not known.
	Systemd int `json:"systemd"`
	// Settings are by directive: a digest, and after "=" the value unless it is long.
	Settings map[string]string `json:"settings"`
	// Variables are digests of the values that the unit has set, by source, "" for
	// Environment= or the path of a file, and name.
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
	command := x.Argv
	if command[0] != x.Path {
		command = slices.Concat([]string{"@" + x.Path}, command)
	}
	set("ExecStart", strings.Join(command, " "))
	for directive, value := range s.Settings {
		if strings.HasPrefix(directive, "SetCredential") { // a secret
			s.Settings[directive], _, _ = strings.Cut(value, "=")
		}
	}
	for _, source := range x.Variables() {
		s.note(source)
	}
	return s
}

func digest(value string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(value))) }

// parseStarted reads the note of an earlier generation, maybe one of another build; ok is
// false if it has no settings, or none that this build understands.
func parseStarted(text string) (s started, ok bool) {
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return started{}, false
	}
	return s, s.Systemd > 0
}

// String has as many values as there is room for, the shorter ones first, and
// variables last.
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
		if len(text) <= handover.MaxStartedWith {
			return string(text)
		}
		if longest == 0 {
			if s.Variables == nil {
				return ""
			}
			s.Variables = nil
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
