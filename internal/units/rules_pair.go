package units

import (
	"fmt"
	"slices"
	"strings"
)

// How a service and its sockets find each other.
var pairRules = []Rule{{
	ID: "socket-missing", Severity: Error, Man: "systemd.socket(5)",
	Summary: "a .socket unit for every socket",
	check: func(p Pair, _ Options, report reporter) {
		have := make(map[string]bool)
		for _, s := range p.Sockets {
			have[s.Name] = true
		}
		for _, name := range socketsNamedBy(p.Service) {
			if !have[name] && !strings.Contains(name, "%") {
				report(p.Service, Directive{}, fmt.Sprintf("%s is named, and there is no such unit", name), "")
			}
		}
		if len(p.Sockets) == 0 && len(socketsNamedBy(p.Service)) == 0 {
			report(p.Service, Directive{}, fmt.Sprintf("no .socket unit belongs to it: sockets come from systemd, and stay open there; make a %s.socket", p.Service.base()), "")
		}
	},
}, {
	ID: "socket-service", Severity: Error, Man: "systemd.socket(5)",
	Summary: "Service= of a socket with a name of its own",
	check: func(p Pair, _ Options, report reporter) {
		for _, s := range p.Sockets {
			want := s.Starts()
			if want != p.Service.Name && !strings.Contains(want, "%") {
				d, _ := s.last("Socket", "Service")
				report(s, d, fmt.Sprintf("a connection to it starts %s, not %s", want, p.Service.Name), "Service="+s.sibling(p.Service.Name))
			}
		}
	},
}, {
	ID: "sockets", Severity: Error, Man: "systemd.service(5)",
	Summary: "the service pulls its sockets in",
	check: func(p Pair, _ Options, report reporter) {
		named := socketsNamedBy(p.Service)
		for _, s := range p.Sockets {
			if slices.Contains(named, s.Name) {
				continue
			}
			if s.base() == p.Service.base() {
				report(p.Service, Directive{Section: "Unit", Name: "Requires"}, fmt.Sprintf("when it is started and %s is not active, it starts without that socket", s.Name), "Requires="+p.Service.sibling(s.Name))
				continue
			}
			report(p.Service, Directive{Section: "Service", Name: "Sockets"}, fmt.Sprintf("when it is started and %s is not active, it starts without that socket", s.Name), "Sockets="+strings.Join(siblings(p), " "))
		}
	},
}, {
	ID: "socket-part-of", Severity: Error, Man: "systemd.unit(5)",
	Summary: "a socket that outlives its service",
	check: func(p Pair, _ Options, report reporter) {
		for _, s := range p.Sockets {
			for _, name := range []string{"PartOf", "BindsTo", "Requires", "Requisite"} {
				for _, d := range s.list("Unit", name) {
					if slices.Contains(splitWords(s.expand(d.Value)), p.Service.Name) {
						report(s, d, fmt.Sprintf("%s=%s closes the socket when the service stops or restarts, and connections are refused", name, p.Service.Name), "")
					}
				}
			}
		}
	},
}, {
	ID: "fd-name-duplicate", Severity: Error, Man: "systemd.socket(5)",
	Summary: "a FileDescriptorName= for each .socket unit",
	check: func(p Pair, _ Options, report reporter) {
		first := make(map[string]*Unit)
		for _, s := range p.Sockets {
			d, ok := s.last("Socket", "FileDescriptorName")
			if !ok {
				continue
			}
			name := s.expand(d.Value)
			if other, taken := first[name]; taken {
				report(s, d, fmt.Sprintf("%s has the name %s too, and the service cannot tell them apart", other.Name, name), "FileDescriptorName="+s.base())
				continue
			}
			first[name] = s
		}
	},
}}

// siblings are the names of a service's sockets as its file has to write them.
func siblings(p Pair) []string {
	var list []string
	for _, s := range p.Sockets {
		list = append(list, p.Service.sibling(s.Name))
	}
	return list
}
