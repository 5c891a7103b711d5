package units

import (
	"fmt"
	"time"
)

// defaultTimeout is DefaultTimeoutStartSec= and DefaultTimeoutStopSec= of
// systemd-system.conf(5).
const defaultTimeout = "90s"

// What systemd allows a service, against what the service allows itself.
var timeoutRules = []Rule{{
	ID: "timeout-start", Severity: Warning, Man: "systemd.service(5)",
	Summary: "TimeoutStartSec= beyond ReadyTimeout",
	check: onService(func(u *Unit, o Options, report reporter) {
		// A reload has what time it needs: the service asks for it
		// (EXTEND_TIMEOUT_USEC= of sd_notify(3)). A first start does not.
		if d, limit := u.timeout("TimeoutStartSec"); limit <= o.ReadyTimeout {
			report(u, d, fmt.Sprintf("what a successor may take %s for (ReadyTimeout) a first start does as well, and after %s systemd kills it", span(o.ReadyTimeout), span(limit)), "TimeoutStartSec="+span(o.ReadyTimeout+startSlack))
		}
	}),
}, {
	ID: "timeout-stop", Severity: Error, Man: "systemd.service(5)",
	Summary: "TimeoutStopSec= beyond DrainTimeout",
	check: onService(func(u *Unit, o Options, report reporter) {
		if d, limit := u.timeout("TimeoutStopSec"); limit <= o.DrainTimeout {
			report(u, d, fmt.Sprintf("a stop may take %s (DrainTimeout), and after %s systemd kills the connections that are left", span(o.DrainTimeout), span(limit)), "TimeoutStopSec="+span(o.DrainTimeout+stopSlack))
		}
	}),
}, {
	ID: "watchdog", Severity: Warning, Man: "systemd.service(5)",
	Summary: "WatchdogSec= beyond the probation",
	check: onService(func(u *Unit, o Options, report reporter) {
		limit := u.span("Service", "WatchdogSec", "0")
		if d, ok := u.last("Service", "WatchdogSec"); ok && limit > 0 && limit <= o.Probation {
			report(u, d, fmt.Sprintf("a successor that hangs in its probation of %s is found out by the watchdog first, which stops the predecessor as well; it should be left to the predecessor to take back", span(o.Probation)), "WatchdogSec="+span(2*o.Probation))
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
