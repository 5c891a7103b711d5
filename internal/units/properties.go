package units

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A property says how a setting of a unit file shows on D-Bus, as far as rules
// look at it.
type property struct {
	section, directive string
	name               string // of the D-Bus property
	read               func(value any) []string
}

// liveProperties are in the order of the sections of a unit file.
var liveProperties = []property{
	{"Unit", "Requires", "Requires", readList},
	{"Unit", "Requisite", "Requisite", readList},
	{"Unit", "Wants", "Wants", readList},
	{"Unit", "BindsTo", "BindsTo", readList},
	{"Unit", "PartOf", "PartOf", readList},
	{"Unit", "StartLimitIntervalSec", "StartLimitIntervalUSec", readSpan},
	{"Unit", "StartLimitBurst", "StartLimitBurst", readNumber},

	{"Service", "Type", "Type", readText},
	{"Service", "NotifyAccess", "NotifyAccess", readText},
	{"Service", "PIDFile", "PIDFile", readText},
	{"Service", "RemainAfterExit", "RemainAfterExit", readBool},
	{"Service", "ExecCondition", "ExecCondition", readCommands},
	{"Service", "ExecStartPre", "ExecStartPre", readCommands},
	{"Service", "ExecStart", "ExecStart", readCommands},
	{"Service", "ExecStartPost", "ExecStartPost", readCommands},
	{"Service", "ExecReload", "ExecReloadEx", readCommands},
	{"Service", "ExecReloadPost", "ExecReloadPostEx", readCommands},
	{"Service", "ExecStop", "ExecStop", readCommands},
	{"Service", "ExecStopPost", "ExecStopPost", readCommands},
	{"Service", "RefreshOnReload", "RefreshOnReload", readList},
	{"Service", "KillMode", "KillMode", readText},
	{"Service", "KillSignal", "KillSignal", readSignal},
	{"Service", "RestartKillSignal", "RestartKillSignal", readSignal},
	{"Service", "FinalKillSignal", "FinalKillSignal", readSignal},
	{"Service", "SendSIGKILL", "SendSIGKILL", readBool},
	{"Service", "SendSIGHUP", "SendSIGHUP", readBool},
	{"Service", "ReloadSignal", "ReloadSignal", readSignal},
	{"Service", "OOMPolicy", "OOMPolicy", readText},
	{"Service", "User", "User", readText},
	{"Service", "PAMName", "PAMName", readText},
	{"Service", "WorkingDirectory", "WorkingDirectory", readOptional},
	{"Service", "StandardOutput", "StandardOutput", readText},
	{"Service", "StandardError", "StandardError", readText},
	{"Service", "RuntimeDirectory", "RuntimeDirectory", readQuoted},
	{"Service", "RuntimeDirectory", "RuntimeDirectorySymlink", readBinds},
	{"Service", "RuntimeDirectoryPreserve", "RuntimeDirectoryPreserve", readText},
	{"Service", "LoadCredential", "LoadCredential", readBinds},
	{"Service", "LoadCredentialEncrypted", "LoadCredentialEncrypted", readBinds},
	{"Service", "ImportCredential", "ImportCredential", readQuoted},
	{"Service", "SetCredential", "SetCredential", readPairs},
	{"Service", "SetCredentialEncrypted", "SetCredentialEncrypted", readPairs},
	{"Service", "EnvironmentFile", "EnvironmentFiles", readFiles},
	{"Service", "Environment", "Environment", readQuoted},
	{"Service", "UnsetEnvironment", "UnsetEnvironment", readQuoted},
	{"Service", "Restart", "Restart", readText},
	{"Service", "RestartSec", "RestartUSec", readSpan},
	{"Service", "RuntimeMaxSec", "RuntimeMaxUSec", readSpan},
	{"Service", "TimeoutStartSec", "TimeoutStartUSec", readSpan},
	{"Service", "TimeoutStopSec", "TimeoutStopUSec", readSpan},
	{"Service", "WatchdogSec", "WatchdogUSec", readSpan},
	{"Service", "FileDescriptorStoreMax", "FileDescriptorStoreMax", readNumber},
	{"Service", "RootDirectory", "RootDirectory", readText},
	{"Service", "RootImage", "RootImage", readText},
	{"Service", "RootMStack", "RootMStack", readText},
	{"Service", "RootEphemeral", "RootEphemeral", readBool},
	{"Service", "ExtensionImages", "ExtensionImages", readPairs},
	{"Service", "ExtensionDirectories", "ExtensionDirectories", readQuoted},
	{"Service", "SystemCallFilter", "SystemCallFilter", readFilter},
	{"Service", "RestrictAddressFamilies", "RestrictAddressFamilies", readFilter},
	{"Service", "PrivatePIDs", "PrivatePIDs", readText},
	{"Service", "ProtectHome", "ProtectHome", readText},
	{"Service", "PrivateTmp", "PrivateTmp", readBool},
	{"Service", "DynamicUser", "DynamicUser", readBool},
	{"Service", "InaccessiblePaths", "InaccessiblePaths", readQuoted},
	{"Service", "NoExecPaths", "NoExecPaths", readQuoted},
	{"Service", "ExecPaths", "ExecPaths", readQuoted},
	{"Service", "TemporaryFileSystem", "TemporaryFileSystem", readPairs},
	{"Service", "BindPaths", "BindPaths", readBinds},
	{"Service", "BindReadOnlyPaths", "BindReadOnlyPaths", readBinds},

	{"Socket", "FileDescriptorName", "FileDescriptorName", readText},
	{"Socket", "Service", "Triggers", readList},
	{"Socket", "Accept", "Accept", readBool},
	{"Socket", "Backlog", "Backlog", readNumber},
	{"Socket", "FlushPending", "FlushPending", readBool},
	{"Socket", "ReusePort", "ReusePort", readBool},
	{"Socket", "TriggerLimitIntervalSec", "TriggerLimitIntervalUSec", readSpan},
	{"Socket", "TriggerLimitBurst", "TriggerLimitBurst", readNumber},
}

// liveUnit writes the properties of a unit as lines of a unit file, for the
// rules to read.
func liveUnit(name string, p properties) *Unit {
	u := &Unit{Name: name}
	add := func(section, directive string, values ...string) {
		for _, v := range values {
			u.Directives = append(u.Directives, Directive{Section: section, Name: directive, Value: v})
		}
	}
	for _, each := range liveProperties {
		if value, ok := p[each.name]; ok {
			add(each.section, each.directive, each.read(value)...)
		}
	}
	for _, pair := range readStringPairs(p["Listen"]) { // ("Stream", "[::]:8080")
		add("Socket", "Listen"+pair[0], pair[1])
	}
	if state := p.text("UnitFileState"); state != "" && state != "static" {
		add("Install", "WantedBy", "sockets.target") // or another one: it can be enabled
	}
	return u
}

func readText(v any) []string {
	s, _ := v.(string)
	return []string{s}
}

func readBool(v any) []string {
	if b, _ := v.(bool); b {
		return []string{"yes"}
	}
	return []string{"no"}
}

// readOptional is of a path that may be missing if it begins with '!', which unit
// files say by '-'.
func readOptional(v any) []string {
	s, _ := v.(string)
	if path, ok := strings.CutPrefix(s, "!"); ok {
		s = "-" + path
	}
	return []string{s}
}

// readList is of words that need no quotes: names of units.
func readList(v any) []string {
	words, _ := v.([]string)
	if len(words) == 0 {
		return nil
	}
	return []string{strings.Join(words, " ")}
}

func readQuoted(v any) []string {
	words, _ := v.([]string)
	if len(words) == 0 {
		return nil
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return []string{strings.Join(quoted, " ")}
}

func readNumber(v any) []string {
	n, ok := properties{"": v}.number("")
	if !ok {
		return nil
	}
	return []string{strconv.FormatUint(n, 10)}
}

// readSpan is of microseconds; the highest number is "infinity".
func readSpan(v any) []string {
	usec, ok := v.(uint64)
	switch {
	case !ok:
		return nil
	case usec > math.MaxInt64/uint64(time.Microsecond):
		return []string{"infinity"}
	case usec == 0:
		return []string{"0"}
	}
	return []string{span(time.Duration(usec) * time.Microsecond)}
}

func readSignal(v any) []string {
	n, ok := v.(int32)
	if !ok {
		return nil
	}
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return []string{name}
	}
	return []string{strconv.Itoa(int(n))}
}

// readCommands is of (sasbttttuii): the path, argv with its [0], whether a failure
// is ignored, and more; or of (sasasttttuii), with all flags instead.
func readCommands(v any) []string {
	commands, _ := v.([][]any)
	var lines []string
	for _, c := range commands {
		if len(c) < 2 {
			continue
		}
		path, _ := c[0].(string)
		argv, _ := c[1].([]string)
		prefix := ""
		if len(c) > 2 {
			flags, _ := c[2].([]string)
			if c[2] == true || slices.Contains(flags, "ignore-failure") {
				prefix = "-"
			}
			if slices.Contains(flags, "privileged") {
				prefix += "+"
			}
		}
		if len(argv) > 0 && argv[0] != path {
			lines = append(lines, prefix+"@"+quote(append([]string{path}, argv...)))
			continue
		}
		lines = append(lines, prefix+quote(append([]string{path}, argv[min(1, len(argv)):]...)))
	}
	return lines
}

// readFilter reads (bas): whether the words are allowed or denied, and the words.
func readFilter(v any) []string {
	parts, _ := v.([]any)
	if len(parts) != 2 {
		return nil
	}
	allow, _ := parts[0].(bool)
	words, _ := parts[1].([]string)
	switch list := strings.Join(words, " "); {
	case allow && list == "":
		return []string{"none"} // an empty list of denied words is no filter at all
	case allow:
		return []string{list}
	case list == "":
		return nil
	default:
		return []string{"~" + list}
	}
}

func readStringPairs(v any) [][2]string {
	all, _ := v.([][]any)
	var pairs [][2]string
	for _, one := range all {
		if len(one) < 2 {
			continue
		}
		a, _ := one[0].(string)
		b, _ := one[1].(string)
		pairs = append(pairs, [2]string{a, b})
	}
	return pairs
}

// readPairs is of a(ss): a path and its options.
func readPairs(v any) []string {
	var words []string
	for _, pair := range readStringPairs(v) {
		words = append(words, strconv.Quote(pair[0]))
	}
	return words
}

// readFiles is of a(sb): a path, and whether it may be missing.
func readFiles(v any) []string {
	all, _ := v.([][]any)
	var lines []string
	for _, one := range all {
		if len(one) < 2 {
			continue
		}
		line, _ := one[0].(string)
		if one[1] == true {
			line = "-" + line
		}
		lines = append(lines, line)
	}
	return lines
}

// readBinds is of a(ssbt): where from, where to, and more.
func readBinds(v any) []string {
	var words []string
	for _, pair := range readStringPairs(v) {
		words = append(words, strconv.Quote(fmt.Sprintf("%s:%s", pair[0], pair[1])))
	}
	return words
}
