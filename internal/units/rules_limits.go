package units

import (
	"fmt"
	"strconv"
	"time"
)

// systemd's defaults for how often a unit may start, see systemd.unit(5) and
// systemd.socket(5). system.conf may change the first two; that is rare, and a live
// unit has the values.
const (
	defaultStartInterval   = "10s"
	defaultStartBurst      = 5
	defaultTriggerInterval = "2s"
	defaultTriggerBurst    = 20
	defaultRestartSec      = "100ms"
)

// Rules for limits that end a service for good after it has failed for a while.
var limitRules = []Rule{{
	ID: "restart", Severity: Hint, Man: "systemd.service(5)",
	Summary: "Restart=always",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, _ := u.last("Service", "Restart"); d.Value != "always" && d.Value != "on-failure" {
			report(u, d, "after a crash the service stays down until a client connects", "Restart=always")
		}
	}),
}, {
	ID: "start-limit", Severity: Warning, Man: "systemd.unit(5)",
	Summary: "StartLimitIntervalSec=0",
	check: onService(func(u *Unit, _ Options, report reporter) {
		at, interval := u.limit("StartLimitIntervalSec", "StartLimitInterval", defaultStartInterval)
		burst := u.burst("Unit", "StartLimitBurst", u.burst("Service", "StartLimitBurst", defaultStartBurst))
		pause := u.span("Service", "RestartSec", defaultRestartSec)
		if interval == 0 || burst == 0 || restarts(u) && times(pause, burst) > interval {
			return
		}
		at.Section, at.Name = "Unit", "StartLimitIntervalSec"
		report(u, at, fmt.Sprintf("a service that fails %d times within %s is not started again, and systemd closes its sockets as well", burst, span(interval)), "StartLimitIntervalSec=0")
	}),
}, {
	ID: "trigger-limit", Severity: Warning, Man: "systemd.socket(5)",
	Summary: "TriggerLimitIntervalSec=0",
	check: func(p Pair, _ Options, report reporter) {
		for _, u := range p.Sockets {
			interval := u.span("Socket", "TriggerLimitIntervalSec", defaultTriggerInterval)
			burst := u.burst("Socket", "TriggerLimitBurst", defaultTriggerBurst)
			pause := p.Service.span("Service", "RestartSec", defaultRestartSec)
			if interval == 0 || burst == 0 || restarts(p.Service) && times(pause, burst) > interval {
				continue
			}
			at, _ := u.last("Socket", "TriggerLimitBurst")
			if at.Line == 0 {
				at, _ = u.last("Socket", "TriggerLimitIntervalSec")
			}
			report(u, at, fmt.Sprintf("a service that fails at every start while clients connect reaches %d starts within %s, and systemd closes the socket for good", burst, span(interval)), "TriggerLimitIntervalSec=0")
		}
	},
}, {
	ID: "runtime-max", Severity: Warning, Man: "systemd.service(5)",
	Summary: "no RuntimeMaxSec=",
	check: onService(func(u *Unit, _ Options, report reporter) {
		if d, ok := u.last("Service", "RuntimeMaxSec"); ok && u.span("Service", "RuntimeMaxSec", "infinity") != infinity {
			report(u, d, fmt.Sprintf("systemd kills the service %s after its first start, whichever generation that is", d.Value), "RuntimeMaxSec=infinity")
		}
	}),
}}

// restarts reports whether every failure is followed by a restart of systemd's
// own, after RestartSec=, so that nothing starts the service sooner.
func restarts(u *Unit) bool { return u.value("Service", "Restart", "no") == "always" }

// limit finds the interval of the start limit, which has had other names and
// another section: see "Compatibility" in the source of systemd.
func (u *Unit) limit(name, old, without string) (Directive, time.Duration) {
	for _, at := range [][2]string{{"Unit", name}, {"Unit", old}, {"Service", old}} {
		if d, ok := u.last(at[0], at[1]); ok {
			return d, u.span(at[0], at[1], without)
		}
	}
	return Directive{}, u.span("Unit", name, without)
}

// span is a setting that is a time span, or systemd's default where it is
// missing or makes no sense.
func (u *Unit) span(section, name, without string) time.Duration {
	if d, err := parseSpan(u.value(section, name, without)); err == nil {
		return d
	}
	d, _ := parseSpan(without)
	return d
}

// burst is a setting that is a number.
func (u *Unit) burst(section, name string, without uint64) uint64 {
	if n, err := strconv.ParseUint(u.value(section, name, ""), 10, 32); err == nil {
		return n
	}
	return without
}

// times multiplies, infinity being the most.
func times(d time.Duration, n uint64) time.Duration {
	if d > 0 && n > uint64(infinity/d) {
		return infinity
	}
	return d * time.Duration(n)
}
