package units

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// How a service ends.
var stopRules = []Rule{{
	ID: "kill-mode", Severity: Error, Man: "systemd.kill(5)",
	Summary: "KillMode=control-group",
	check: onService(func(u *Unit, _ Options, report reporter) {
		d, _ := u.last("Service", "KillMode")
		switch d.Value {
		case "mixed":
			report(u, d, "KillMode=mixed kills a predecessor that drains as soon as the main process has ended, instead of letting it finish", "KillMode=control-group")
		case "process", "none":
			report(u, d, fmt.Sprintf("with KillMode=%s old generations live on after a stop", d.Value), "KillMode=control-group")
		}
	}),
}, {
	ID: "kill-signal", Severity: Error, Man: "systemd.kill(5)",
	Summary: "KillSignal=SIGTERM, RestartKillSignal=SIGTERM",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, name := range []string{"KillSignal", "RestartKillSignal"} {
			if d, ok := u.last("Service", name); ok && !drains(signalName(d.Value)) {
				report(u, d, fmt.Sprintf("the service drains at SIGTERM; %s ends it at once, or not at all", signalName(d.Value)), name+"=SIGTERM")
			}
		}
	}),
}, {
	ID: "exec-stop", Severity: Error, Man: "systemd.service(5)",
	Summary: "no ExecStop= that kills",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, d := range u.list("Service", "ExecStop") {
			c := parseCommand(d.Value)
			if signal := signalSent(append([]string{c.path}, c.argv...)); signal != "" && !drains(signal) {
				report(u, d, fmt.Sprintf("ExecStop= sends %s before systemd sends SIGTERM, at which the service would drain: requests under way are cut", signal), "ExecStop=")
			}
		}
	}),
}, {
	ID: "final-kill", Severity: Warning, Man: "systemd.kill(5)",
	Summary: "SIGKILL in the end",
	check: onService(func(u *Unit, _ Options, report reporter) {
		const reason = "a generation that hangs outlives the stop, with the sockets open: only SIGKILL ends it"
		if d, ok := u.last("Service", "SendSIGKILL"); ok && !u.is("Service", "SendSIGKILL") {
			report(u, d, reason, "SendSIGKILL=yes")
		}
		if d, ok := u.last("Service", "FinalKillSignal"); ok && signalName(d.Value) != "SIGKILL" {
			report(u, d, reason, "FinalKillSignal=SIGKILL")
		}
	}),
}, {
	ID: "send-sighup", Severity: Hint, Man: "systemd.kill(5)",
	Summary: "SendSIGHUP=no",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if u.is("Service", "SendSIGHUP") {
			d, _ := u.last("Service", "SendSIGHUP")
			report(u, d, "a stop sends the reload signal as well", "SendSIGHUP=no")
		}
	}),
}}

// drains reports whether the service ends its work at that signal.
func drains(signal string) bool { return signal == "SIGTERM" || signal == "SIGINT" }

// killers are the programs that send the signal they are told to.
var killers = []string{"kill", "pkill", "killall", "skill"}

// signalSent is the signal that a command sends, by kill(1) or one of its kind, itself
// or in a line for a shell; "" if it sends none.
func signalSent(argv []string) string {
	if len(argv) > 0 && slices.Contains(shells, path.Base(argv[0])) {
		argv = strings.FieldsFunc(strings.Join(argv, " "), func(r rune) bool { return strings.ContainsRune(" \t\n;&|(){}\"'", r) })
	}
	at := slices.IndexFunc(argv, func(word string) bool { return slices.Contains(killers, path.Base(word)) })
	if at < 0 {
		return ""
	}
	argv = argv[at+1:]
	for i, arg := range argv {
		name, value, _ := strings.Cut(arg, "=")
		switch {
		case name == "--signal" && value != "":
			return signalName(value)
		case slices.Contains([]string{"--signal", "-s", "-n"}, arg) && i+1 < len(argv):
			return signalName(argv[i+1])
		case len(arg) > 2 && arg[:2] == "-s" && knownSignal(arg[2:]):
			return signalName(arg[2:])
		case len(arg) > 1 && arg[0] == '-' && knownSignal(arg[1:]):
			return signalName(arg[1:])
		}
	}
	return "SIGTERM"
}
