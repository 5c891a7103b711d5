package status

import (
	"reflect"
	"runtime/debug"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// fixed are the properties that no process ever changes.
func fixed(svc *reload.Service, unit string) map[string]any {
	version, revision := build()
	return map[string]any{
		"Unit":     verdict.Text(unit),
		"Version":  verdict.Text(version),
		"Revision": verdict.Text(revision),
		"Sockets":  socketsToWire(inside.Of(svc).Sockets()),
	}
}

// properties are all the others.
func properties(now reload.Snapshot, unit facts) map[string]any {
	mainPID := 0
	if now.Main {
		mainPID = now.PID
	}
	return map[string]any{
		"Generation":         number(now.Generation),
		"Phase":              verdict.Text(now.Phase),
		"Build":              verdict.Text(now.Build),
		"MainPID":            number(mainPID),
		"Connections":        number(now.Connections),
		"Draining":           drainingToWire(now.Draining),
		"Killed":             number(now.Killed),
		"Unsettled":          verdict.Text(now.Unsettled),
		"StoreUsed":          number(now.StoreUsed),
		"StoreMax":           number(now.StoreMax),
		"Keeps":              now.Keeps,
		"Attempts":           uint64(now.Attempts),
		"AttemptsNotLasting": uint64(max(now.Attempts-(now.Generation-1), 0)),
		"Verdict":            now.Verdict.Record(),
		"UnitProblems":       texts(unit.problems),
		"RestartNeeded":      texts(unit.restartNeeded(now)),
	}
}

// build is this binary's version and revision, as in `go version -m`.
func build() (version, revision string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return info.Main.Version, revision
}

// differences are the properties of after that before has not, or has otherwise.
func differences(before, after map[string]any) map[string]dbus.Variant {
	d := make(map[string]dbus.Variant)
	for name, value := range after {
		if !reflect.DeepEqual(before[name], value) {
			d[name] = dbus.MakeVariant(value)
		}
	}
	return d
}
