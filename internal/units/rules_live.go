package units

import (
	"fmt"
	"slices"
	"strings"
)

// Rules for a service as it runs: Pair.Running against the units.
var liveRules = []Rule{{
	ID: "socket-stale", Severity: Error, Man: "systemd.socket(5)", live: true,
	Summary: "sockets as the .socket units have them now",
	check: func(p Pair, _ Options, report reporter) {
		if p.Running == nil || p.Running.Status.Active == "inactive" {
			return // or it was stopped, as its sockets may well be
		}
		inactive := func(u *Unit) bool { return slices.Contains(p.Running.Inactive, u.Name) }
		stale := func(u *Unit, at Directive, format string, args ...any) {
			report(u, at, fmt.Sprintf(format, args...)+fmt.Sprintf(": run systemctl restart %s", strings.Join(append(socketNames(p), p.Service.Name), " ")), "")
		}
		for _, name := range p.Running.Inactive {
			stale(p.unit(name), Directive{}, "it is not active, and systemd holds no socket for the next start of %s", p.Service.Name)
		}
		for _, l := range p.Running.Gone {
			stale(p.unitOf(l), Directive{}, "%s is gone: no client reaches the service there", l.Address)
		}
		for _, l := range p.Running.Replaced {
			stale(p.unitOf(l), Directive{}, "%s is another socket now: no client reaches the service there", l.Address)
		}
		for _, l := range p.Running.Dropped {
			if u := p.unitOf(l); !inactive(u) {
				stale(u, Directive{}, "systemd has closed its copy of %s %s, as the unit was edited: after a crash no process listens there", l.Network, l.Address)
			}
		}
		if p.Running.Sockets == nil || p.Running.Status.MainPID == 0 {
			return
		}
		left := slices.Clone(p.Running.Sockets)
		for _, s := range p.Sockets {
			for _, d := range s.listenLines() {
				want, ok := s.listens(d)
				if !ok || inactive(s) {
					continue
				}
				i := slices.IndexFunc(left, func(l Listening) bool { return l.Network == want.Network && l.Address == want.Address })
				if i < 0 {
					stale(s, d, "it has %s %s, and the running service has not: the unit was edited since it was started", want.Network, want.Address)
					continue
				}
				if left[i].Name != want.Name {
					name, _ := s.last("Socket", "FileDescriptorName")
					stale(s, name, "the name of %s %s is %s now, and %s in the running service: after a crash the service asks for it in vain", want.Network, want.Address, want.Name, left[i].Name)
				}
				left = slices.Delete(left, i, i+1)
			}
		}
		for _, l := range left {
			if u := p.unitOf(l); l.Address != "" && l.Network != "vsock" && !inactive(u) && !slices.Contains(p.Running.Dropped, l) {
				stale(u, Directive{}, "the running service has %s %s, and no .socket unit has it now: after a crash no process listens there", l.Network, l.Address)
			}
		}
	},
}, {
	ID: "own-socket", Severity: Warning, Man: "systemd.socket(5)", live: true,
	Summary: "no socket but those from systemd",
	check: func(p Pair, _ Options, report reporter) {
		if p.Running == nil {
			return
		}
		for _, l := range p.Running.Own {
			directive := "ListenStream"
			switch l.Network {
			case "udp", "unixgram":
				directive = "ListenDatagram"
			case "unixpacket":
				directive = "ListenSequentialPacket"
			}
			report(p.Service, Directive{}, fmt.Sprintf("%s %s is not from systemd: the next generation cannot bind it while this one drains; give it a .socket unit with %s=%s and ask for it by name", l.Network, l.Address, directive, l.Address), "")
		}
	},
}, {
	ID: "stopping", Severity: Error, Man: "sd_notify(3)", live: true,
	Summary: "no STOPPING=1 but the main process's",
	check: func(p Pair, _ Options, report reporter) {
		if r := p.Running; r != nil && r.Serving && r.Status.Active == "deactivating" && r.Status.Sub == "stop-sigterm" && r.Status.Job == nil {
			report(p.Service, Directive{}, "systemd is stopping a service that serves, without a request: a process of the service has sent STOPPING=1, and at the end of TimeoutStopSec= systemd kills them all; leave STOPPING=1 to the library, and send nothing after Serve has returned", "")
		}
	},
}}

// VerifyRunning is [Verify] by the rules that compare how a service runs, p.Running,
// with its units; nothing without it.
func VerifyRunning(p Pair, o Options) []Finding {
	if p.Running == nil {
		return nil
	}
	live := make(map[string]bool)
	for _, r := range Rules() {
		live[r.ID] = r.live
	}
	return slices.DeleteFunc(Verify(p, o), func(f Finding) bool { return !live[f.Rule] })
}

// listens is the socket of a Listen… line, as the running service would report it; ok
// is false if it is no socket, or not known.
func (u *Unit) listens(d Directive) (l Listening, ok bool) {
	kinds := map[string][2]string{
		"ListenStream": {"tcp", "unix"}, "ListenDatagram": {"udp", "unixgram"}, "ListenSequentialPacket": {"", "unixpacket"},
	}[d.Name]
	l.Name = u.expand(u.value("Socket", "FileDescriptorName", u.Name))
	l.Network, l.Address = kinds[0], u.expand(d.Value)
	switch {
	case strings.HasPrefix(l.Address, "/"), strings.HasPrefix(l.Address, "@"):
		l.Network = kinds[1]
	case !strings.Contains(l.Address, ":"), strings.HasPrefix(l.Address, "vsock:"), strings.Contains(l.Address, "%"):
		return Listening{}, false // a live unit has HOST:PORT
	}
	return l, l.Network != ""
}

// unitOf is the socket unit that a running service's socket is from, or the service.
func (p Pair) unitOf(l Listening) *Unit {
	for _, s := range p.Sockets {
		if s.expand(s.value("Socket", "FileDescriptorName", s.Name)) == l.Name {
			return s
		}
	}
	return p.Service
}

func socketNames(p Pair) []string {
	var all []string
	for _, s := range p.Sockets {
		all = append(all, s.Name)
	}
	return all
}
