package units

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// How the service hears of a reload.
var reloadRules = []Rule{{
	ID: "reload-signal", Severity: Error, Man: "systemd.service(5)",
	Summary: "ReloadSignal=SIGHUP",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, ok := u.last("Service", "ReloadSignal"); ok && signalName(d.Value) != "SIGHUP" {
			report(u, d, fmt.Sprintf("the service upgrades at SIGHUP; it ignores %s, or dies of it", d.Value), "ReloadSignal=SIGHUP")
		}
	}),
}, {
	ID: "exec-reload-kill", Severity: Error, Man: "systemd.service(5)",
	Summary: "no ExecReload= that sends the signal again",
	check: onService(func(u *Unit, _ Options, report reporter) {
		for _, d := range u.list("Service", "ExecReload") {
			if c := parseCommand(d.Value); signalSent(append([]string{c.path}, c.argv...)) == "" {
				continue
			}
			report(u, d, "systemd sends the reload signal itself: a second one causes a second upgrade, or fails the reload because its process has gone", "ExecReload=")
		}
	}),
}, {
	ID: "reload-verdict", Severity: Warning, Man: "systemd.service(5)",
	Summary: "a helper that answers for the upgrade",
	check: onService(func(u *Unit, o Options, report reporter) {
		directives := []string{"ExecReload", "ExecReloadPost"} // whatever systemd it is for
		switch {
		case o.Systemd >= ReloadPost:
			directives = directives[1:]
		case o.Systemd > 0:
			directives = directives[:1]
		}
		ignored := Directive{Section: "Service", Name: directives[0]}
		for _, name := range directives {
			for _, d := range u.list("Service", name) {
				if c := parseCommand(d.Value); c.path != "" && !strings.Contains(c.prefix, "-") {
					return
				}
				ignored = d // '-' takes its failure for success
			}
		}
		phase := map[string]string{"ExecReload": "reload", "ExecReloadPost": "post"}[ignored.Name]
		report(u, ignored, "systemctl reload succeeds although the upgrade has failed, so a deployment takes the old version for the new one",
			fmt.Sprintf("%s=+%s --phase=%s %%n", ignored.Name, quote([]string{o.Helper, "reload-verdict"}), phase))
	}),
}, {
	ID: "reload-sandbox", Severity: Warning, Man: "systemd.service(5)",
	Summary: "a helper that starts outside the sandbox",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if tmp := u.value("Service", "PrivateTmp", "no"); !u.is("Service", "DynamicUser") && !u.is("Service", "PrivateTmp") && tmp != "disconnected" {
			return
		}
		for _, d := range slices.Concat(u.list("Service", "ExecReload"), u.list("Service", "ExecReloadPost")) {
			if c := parseCommand(d.Value); slices.Contains(c.argv, "reload-verdict") && !strings.ContainsAny(c.prefix, "+-") {
				report(u, d, "if /tmp has been emptied, the folder of PrivateTmp= is gone and the helper cannot start (226/NAMESPACE): systemctl reload fails although the upgrade has succeeded", d.Name+"=+"+d.Value)
			}
		}
	}),
}}

// ReloadPost is the first version of systemd with ExecReloadPost=. From there on
// ExecReload= runs before the upgrade, and can say nothing of it.
const ReloadPost = 259

// signalName is the whole name of a signal of KillSignal= and its like: "HUP"
// and "1" are "SIGHUP".
func signalName(s string) string {
	if n, err := strconv.Atoi(s); err == nil {
		if name := unix.SignalName(unix.Signal(n)); name != "" {
			return name
		}
		return s
	}
	if !strings.HasPrefix(s, "SIG") {
		return "SIG" + s
	}
	return s
}

// knownSignal reports whether s names a signal, as signalName reads it.
func knownSignal(s string) bool { return unix.SignalNum(signalName(s)) != 0 }
