package units

import (
	"fmt"
	"strings"
)

var versionRules = []Rule{{
	ID: "systemd-version", Severity: Error, Man: "systemd(1)",
	Summary: "systemd 254 or later",
	check: onService(func(u *Unit, o Options, report reporter) {
		if o.Systemd > 0 && o.Systemd < Lowest {
			report(u, Directive{}, fmt.Sprintf("systemd %d is too old for upgrades by reload, %d is the lowest", o.Systemd, Lowest), "")
		}
	}),
}}

// Rules for the type of a service: how it starts, the processes that speak for it,
// how it stops.
var serviceRules = []Rule{{
	ID: "service-type", Severity: Error, Man: "systemd.service(5)",
	Summary: "Type=notify-reload",
	check: onService(func(u *Unit, _ Options, report reporter) {
		d, ok := u.last("Service", "Type")
		switch {
		case d.Value == "notify-reload":
		case !ok:
			report(u, d, "without Type= a reload neither reaches the service nor waits for it", "Type=notify-reload")
		case d.Value == "notify":
			report(u, d, "Type=notify does not tell the service to reload, nor wait for the successor", "Type=notify-reload")
		case d.Value == "forking":
			report(u, d, "Type=forking takes the exit of the first process for its start, and an upgrade for a crash", "Type=notify-reload")
		default:
			report(u, d, fmt.Sprintf("Type=%s neither tells the service to reload nor reads its messages", d.Value), "Type=notify-reload")
		}
	}),
}, {
	ID: "notify-access", Severity: Warning, Man: "systemd.service(5)",
	Summary: "NotifyAccess=main",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, _ := u.last("Service", "NotifyAccess"); d.Value == "all" || d.Value == "exec" {
			report(u, d, fmt.Sprintf("with NotifyAccess=%s any process of the service can speak for it, not only the main one", d.Value), "NotifyAccess=main")
		}
	}),
}, {
	ID: "notify-access-none", Severity: Hint, Man: "systemd.service(5)",
	Summary: "no NotifyAccess=none",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, _ := u.last("Service", "NotifyAccess"); d.Value == "none" {
			report(u, d, "systemd treats NotifyAccess=none as main for Type=notify-reload; write the value that is meant", "NotifyAccess=main")
		}
	}),
}, {
	ID: "pid-file", Severity: Error, Man: "systemd.service(5)",
	Summary: "no PIDFile=",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, ok := u.last("Service", "PIDFile"); ok {
			report(u, d, "after an ExecReload= systemd takes the process in PIDFile=, a predecessor that drains, for the main one, and ignores the successor until that has gone; the service sends MAINPID= itself", "PIDFile=")
		}
	}),
}, {
	ID: "remain-after-exit", Severity: Warning, Man: "systemd.service(5)",
	Summary: "no RemainAfterExit=yes",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if u.is("Service", "RemainAfterExit") && !restarts(u) {
			d, _ := u.last("Service", "RemainAfterExit")
			report(u, d, "with RemainAfterExit=yes a service that exits with status 0 counts as running, and no connection starts it again", "RemainAfterExit=no")
		}
	}),
}, {
	ID: "oom-policy", Severity: Hint, Man: "systemd.service(5)",
	Summary: "OOMPolicy=continue",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, _ := u.last("Service", "OOMPolicy"); d.Value != "continue" {
			report(u, d, "when one generation runs out of memory, systemd stops the others as well (OOMPolicy=stop is its default)", "OOMPolicy=continue")
		}
	}),
}, {
	ID: "pam-name", Severity: Error, Man: "systemd.exec(5)",
	Summary: "no PAMName= with pam_systemd",
	check: onService(func(u *Unit, o Options, report reporter) {
		if d, ok := u.last("Service", "PAMName"); ok && registersSession(o.Root, d.Value) {
			report(u, d, "where its stack has pam_systemd, PAMName= moves the service out of its unit into a session: systemd refuses every successor as main process, restarts the service beside it, and cannot stop it", "PAMName=")
		}
	}),
}, {
	ID: "service-environment", Severity: Error, Man: "systemd.exec(5)",
	Summary: "NOTIFY_SOCKET and LISTEN_* left to systemd",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, name := range []string{"Environment", "UnsetEnvironment"} {
			for _, d := range u.list("Service", name) {
				for _, word := range splitWords(d.Value) {
					variable, _, _ := strings.Cut(word, "=")
					switch variable {
					case "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "FDSTORE":
						report(u, d, fmt.Sprintf("%s= takes %s away, by which systemd and the service find each other", name, variable), "")
					}
				}
			}
		}
	}),
}}
