package units

import (
	"fmt"
	"time"
)

// defaultTimeout is DefaultTimeoutStartSec= and DefaultTimeoutStopSec= of
// systemd-system.conf(5).
const defaultTimeout = "90s"

// Rules for the time that systemd allows a service, against its own limits.
var timeoutRules = []Rule{{
	ID: "timeout-start", Severity: Warning, Man: "systemd.service(5)",
	Summary: "TimeoutStartSec= beyond ReadyTimeout",
	check: onService(func(u *Unit, o Options, report reporter) {
		// A reload has all the time it needs: the service asks for it
		// (EXTEND_TIMEOUT_USEC= of sd_notify(3)). A first start does not.
		if d, limit := u.timeout("TimeoutStartSec"); limit <= o.ReadyTimeout {
			report(u, d, fmt.Sprintf("the service may take %s to start (ReadyTimeout), but systemd kills it after %s", span(o.ReadyTimeout), span(limit)), "TimeoutStartSec="+span(o.ReadyTimeout+startSlack))
		}
	}),
}, {
	ID: "timeout-stop", Severity: Error, Man: "systemd.service(5)",
	Summary: "TimeoutStopSec= beyond DrainTimeout",
	check: onService(func(u *Unit, o Options, report reporter) {
		if d, limit := u.timeout("TimeoutStopSec"); limit <= o.DrainTimeout {
			report(u, d, fmt.Sprintf("a stop may take %s (DrainTimeout), but systemd cuts the remaining connections after %s", span(o.DrainTimeout), span(limit)), "TimeoutStopSec="+span(o.DrainTimeout+stopSlack))
		}
	}),
}, {
	ID: "watchdog", Severity: Warning, Man: "systemd.service(5)",
	Summary: "WatchdogSec= beyond the probation",
	check: onService(func(u *Unit, o Options, report reporter) {
		limit := u.span("Service", "WatchdogSec", "0")
		if d, ok := u.last("Service", "WatchdogSec"); ok && limit > 0 && limit <= o.Probation {
			report(u, d, fmt.Sprintf("if a successor hangs in its probation of %s, the watchdog stops the predecessor as well, before that can take back", span(o.Probation)), "WatchdogSec="+span(2*o.Probation))
		}
	}),
}}

// timeout is TimeoutStartSec= or TimeoutStopSec=, each of which TimeoutSec= sets
// too. Zero is systemd's old word for never.
func (u *Unit) timeout(name string) (Directive, time.Duration) {
	at := Directive{Section: "Service", Name: name}
	for _, d := range u.Directives {
		if d.Section == "Service" && (d.Name == name || d.Name == "TimeoutSec") {
			at = d
		}
	}
	limit, err := parseSpan(at.Value)
	switch {
	case err != nil:
		limit, _ = parseSpan(defaultTimeout)
	case limit == 0:
		limit = infinity
	}
	return at, limit
}
