package status

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/instar-project/instar/units"
)

// started is how systemd has started the service, as generations pass it on: see
// reload.Service.SetStartedWith. A digest of each setting has to do; one in four
// thousand million changes is not seen.
type started struct {
	Systemd   int               `json:"systemd"`   // its version: others show settings otherwise
	Settings  map[string]string `json:"settings"`  // digests, by directive
	Variables []string          `json:"variables"` // the names that Environment= and EnvironmentFile= have set
}

// What a reload changes if the service has reload.Config.Command, and else does not.
var commandSettings = []string{"ExecStart", "Environment", "EnvironmentFile"}

func startedWith(systemd int, x units.Execution) started {
	s := started{Systemd: systemd, Settings: make(map[string]string)}
	for directive, value := range x.Fixed {
		s.Settings[directive] = digest(value)
	}
	s.Settings["ExecStart"] = digest(fmt.Sprintf("%q %q", x.Path, x.Argv))
	s.Settings["Environment"] = digest(fmt.Sprintf("%q %q", x.Environment, x.Unset))
	s.Settings["EnvironmentFile"] = digest(fmt.Sprintf("%+v", x.EnvironmentFiles))
	variables, _ := x.Variables()
	s.Variables = variableNames(variables)
	return s
}

func digest(value string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(value))) }

// variableNames are those of "NAME=value", each once, sorted.
func variableNames(variables []string) []string {
	names := []string{}
	for _, kv := range variables {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parseStarted reads what an earlier generation has noted, maybe one of another
// build; ok is false if there is nothing, or nothing that this build understands.
func parseStarted(text string) (s started, ok bool) {
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil && s.Systemd > 0
}

func (s started) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		return "" // there is nothing in it that JSON does not have
	}
	return string(text)
}

// changed are the settings, each as "Directive=", that are others now. follows: the
// commandSettings reach a successor. Nothing is known if systemd itself is another.
func (s started) changed(now started, follows bool) []string {
	all := []string{}
	if s.Systemd != now.Systemd {
		return all
	}
	for _, directive := range slices.Sorted(maps.Keys(now.Settings)) {
		before, known := s.Settings[directive]
		if !known || before == now.Settings[directive] || follows && slices.Contains(commandSettings, directive) {
			continue
		}
		all = append(all, directive+"=")
	}
	return all
}
