package units

import (
	"fmt"
	"slices"
	"strings"
)

// Rules for the command lines.
var execRules = []Rule{{
	ID: "exec-start-argv0", Severity: Error, Man: "systemd.service(5)",
	Summary: "ExecStart= without '@'",
	check: onService(func(u *Unit, _ Options, report reporter) {
		d, _ := u.last("Service", "ExecStart")
		if c := parseCommand(d.Value); strings.Contains(c.prefix, "@") {
			report(u, d, "'@' hides the program's path behind an argv[0] of its own, so an upgrade cannot find the program (unless the service sets reload.Config.Executable)",
				"ExecStart="+strings.ReplaceAll(c.prefix, "@", "")+quoteWords(append([]string{c.path}, c.argv[min(1, len(c.argv)):]...)))
		}
	}),
}, {
	ID: "exec-start-shell", Severity: Warning, Man: "systemd.service(5)",
	Summary: "exec in sh -c",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, argv := u.starts()
		by, how := wrapped(argv, o.Root)
		if how != mayStay {
			return
		}
		// The script is the word after -c: the one that has no exec yet.
		script := slices.Index(argv, by) + 1
		for script < len(argv)-1 && strings.HasPrefix(argv[script], "-") {
			script++
		}
		argv[script] = "exec " + argv[script]
		report(u, d, fmt.Sprintf("without exec %s may stay between systemd and the program, which then gets neither the sockets nor the reload", by),
			"ExecStart="+strings.ReplaceAll(parseCommand(d.Value).prefix, "@", "")+quoteWords(argv))
	}),
}, {
	ID: "exec-start-wrapper", Severity: Error, Man: "systemd.service(5)",
	Summary: "a wrapper that execs the program",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, argv := u.starts()
		if by, how := wrapped(argv, o.Root); how == stays {
			report(u, d, fmt.Sprintf("%s stays, and starts the program as its child: systemd takes it for the main process and passes the sockets to it; let it exec the program, or use settings of systemd such as User= instead", by), "")
		}
	}),
}, {
	ID: "container", Severity: Error, Man: "systemd.service(5)",
	Summary: "no container around the program",
	check: onService(func(u *Unit, o Options, report reporter) {
		d, argv := u.starts()
		if by, how := wrapped(argv, o.Root); how == contains {
			report(u, d, fmt.Sprintf("%s is the main process, not the program in the container: systemd reloads the wrong one, and a successor within the container can neither become the main process nor be a newer image; run the program in the unit itself", by), "")
		}
	}),
}, {
	ID: "exec-skipped", Severity: Hint, Man: "systemd.service(5)",
	Summary: "nothing that an upgrade leaves out",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, name := range []string{"ExecCondition", "ExecStartPre", "ExecStartPost"} {
			for _, d := range u.list("Service", name) {
				report(u, d, fmt.Sprintf("%s= runs when systemd starts the service, and not at an upgrade: let the program do the work that each version needs, or check for it in reload.Config.Preflight", name), "")
			}
		}
	}),
}}

// starts is the command of ExecStart=, without prefixes and, after '@', argv[0].
func (u *Unit) starts() (at Directive, argv []string) {
	at, _ = u.last("Service", "ExecStart")
	c := parseCommand(at.Value)
	if c.path == "" {
		return at, nil
	}
	if strings.Contains(c.prefix, "@") {
		c.argv = c.argv[min(1, len(c.argv)):]
	}
	return at, append([]string{c.path}, c.argv...)
}
