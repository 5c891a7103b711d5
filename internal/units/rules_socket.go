package units

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/fdname"
)

// Rules for a socket.
var socketRules = []Rule{{
	ID: "accept", Severity: Error, Man: "systemd.socket(5)",
	Summary: "Accept=no",
	check: onSocket(func(u *Unit, report reporter) {
		if u.is("Socket", "Accept") {
			d, _ := u.last("Socket", "Accept")
			report(u, d, "Accept=yes starts a process for every connection, which has no socket to accept on", "Accept=no")
		}
	}),
}, {
	ID: "flush-pending", Severity: Error, Man: "systemd.socket(5)",
	Summary: "FlushPending=no",
	check: onSocket(func(u *Unit, report reporter) {
		if u.is("Socket", "FlushPending") {
			d, _ := u.last("Socket", "FlushPending")
			report(u, d, "FlushPending=yes throws away the connections that wait while the service restarts", "FlushPending=no")
		}
	}),
}, {
	ID: "reuse-port", Severity: Error, Man: "systemd.socket(5)",
	Summary: "ReusePort=no where connections queue up",
	check: onSocket(func(u *Unit, report reporter) {
		_, stream := u.last("Socket", "ListenStream")
		if stream && u.is("Socket", "ReusePort") {
			d, _ := u.last("Socket", "ReusePort")
			report(u, d, "with ReusePort=yes any other process may open a queue of its own for the address, and connections that wait in it are lost when it closes; use one shared socket", "ReusePort=no")
		}
	}),
}, {
	ID: "backlog", Severity: Hint, Man: "systemd.socket(5)",
	Summary: "room for connections that wait",
	check: onSocket(func(u *Unit, report reporter) {
		const enough = 128
		d, ok := u.last("Socket", "Backlog")
		if n, err := strconv.ParseUint(d.Value, 10, 32); ok && err == nil && n < enough {
			report(u, d, fmt.Sprintf("Backlog=%d leaves little room for connections that arrive during a takeover or a restart", n), "Backlog="+strconv.Itoa(DefaultBacklog))
		}
	}),
}, {
	ID: "fd-name", Severity: Warning, Man: "systemd.socket(5)",
	Summary: "a FileDescriptorName= that the service asks for",
	check: onSocket(func(u *Unit, report reporter) {
		d, ok := u.last("Socket", "FileDescriptorName")
		prefix, _, _ := strings.Cut(u.base(), "@")
		switch name := u.expand(d.Value); {
		case !ok || name == u.Name:
			report(u, d, fmt.Sprintf("without FileDescriptorName= the socket's name is %q, and renaming the unit breaks the service", u.Name), "FileDescriptorName="+prefix)
		case strings.HasPrefix(name, fdname.ReservedPrefix), strings.Contains(name, "%"), u.Name == template(u.Name):
		default:
			if problem := nameProblem(name); problem != "" {
				report(u, d, fmt.Sprintf("the name %q %s, and systemd ignores it", clip(name), problem), "FileDescriptorName="+prefix)
			}
		}
	}),
}, {
	ID: "fd-name-reserved", Severity: Error, Man: "systemd.socket(5)",
	Summary: "no name that begins with " + fdname.ReservedPrefix,
	check: onSocket(func(u *Unit, report reporter) {
		if d, _ := u.last("Socket", "FileDescriptorName"); strings.HasPrefix(d.Value, fdname.ReservedPrefix) {
			report(u, d, fmt.Sprintf("names that begin with %s are those of the library's entries in the store, and the service does not get the socket", fdname.ReservedPrefix),
				"FileDescriptorName="+strings.TrimPrefix(d.Value, fdname.ReservedPrefix))
		}
	}),
}, {
	ID: "wanted-by", Severity: Warning, Man: "systemd.unit(5)",
	Summary: "WantedBy=sockets.target",
	check: onSocket(func(u *Unit, report reporter) {
		if len(u.list("Install", "WantedBy"))+len(u.list("Install", "RequiredBy"))+len(u.list("Install", "UpheldBy")) == 0 {
			report(u, Directive{Section: "Install", Name: "WantedBy"}, "it cannot be enabled, so that nothing opens the socket at boot", "WantedBy=sockets.target")
		}
	}),
}}
