package units

import (
	"fmt"
	"slices"
	"strings"
)

// Rules for a sandbox that forbids too much.
var sandboxRules = []Rule{{
	ID: "system-call-filter", Severity: Error, Man: "systemd.exec(5)",
	Summary: "the system calls that start a successor",
	check: onService(func(u *Unit, o Options, report reporter) {
		lines := u.list("Service", "SystemCallFilter")
		if len(lines) == 0 {
			return
		}
		allows := filter(lines, systemCalls)
		implicit := func(call string) bool { // systemd adds @default to every list of allowed calls
			return call == "execve" && !strings.HasPrefix(lines[0].Value, "~")
		}
		var missing []string
		for _, call := range neededSystemCalls(o.Store > 0) {
			if !allows(call) && !implicit(call) {
				missing = append(missing, call)
			}
		}
		if len(missing) > 0 {
			report(u, lines[len(lines)-1], fmt.Sprintf("it forbids %s, without which there is no upgrade", strings.Join(missing, ", ")), "SystemCallFilter=@system-service")
		}
	}),
}, {
	ID: "address-families", Severity: Error, Man: "systemd.exec(5)",
	Summary: "AF_UNIX in RestrictAddressFamilies=",
	check: onService(func(u *Unit, _ Options, report reporter) {
		lines := u.list("Service", "RestrictAddressFamilies")
		if len(lines) == 0 {
			return
		}
		family := func(word string) []string { return []string{word} }
		if !filter(lines, family)("AF_UNIX") {
			last := lines[len(lines)-1]
			write := last.Value + " AF_UNIX"
			if denied, ok := strings.CutPrefix(last.Value, "~"); ok {
				left := slices.DeleteFunc(splitWords(denied), func(word string) bool { return word == "AF_UNIX" })
				write = strings.TrimSuffix("~"+strings.Join(left, " "), "~") // all that is denied may have been that
			}
			report(u, last, "without AF_UNIX the service can speak neither to systemd nor to its successor", "RestrictAddressFamilies="+strings.Replace(write, "none ", "", 1))
		}
	}),
}, {
	ID: "private-pids", Severity: Error, Man: "systemd.exec(5)",
	Summary: "no PrivatePIDs=",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if u.is("Service", "PrivatePIDs") {
			d, _ := u.last("Service", "PrivatePIDs")
			report(u, d, "in a PID namespace of its own the first generation is PID 1: LISTEN_PID= has another number, and when it exits the kernel kills all later generations", "PrivatePIDs=no")
		}
	}),
}, {
	ID: "exec-hidden", Severity: Error, Man: "systemd.exec(5)",
	Summary: "a program that the service can see and execute",
	check: onService(func(u *Unit, _ Options, report reporter) {
		program := u.program()
		if program == "" {
			return
		}
		if d, how := u.hidden(program); how != "" {
			report(u, d, fmt.Sprintf("%s %s, so that neither it nor a successor can start", program, how), "")
		}
	}),
}, {
	ID: "exec-pinned", Severity: Error, Man: "systemd.exec(5)",
	Summary: "no mount of the program's very file",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if program := u.program(); program != "" {
			if d, write := u.pinned(program); write != "" {
				report(u, d, fmt.Sprintf("%s= is about the file that is there at the start: one that replaces it is not seen or may not be executed, and an upgrade fails or starts the old version", d.Name), write)
			}
		}
	}),
}}
