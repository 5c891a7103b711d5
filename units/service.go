package units

import (
	"io/fs"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/units"
)

// A Scope is the systemd that runs a service.
type Scope int

const (
	System Scope = iota // the machine's: systemctl --system
	User                // the user's: systemctl --user
)

// A Service is a service and its sockets, as [Write] renders them.
type Service struct {
	// Name is the unit's name without ".service": "web".
	Name string

	// Description is Description=. Empty: Name.
	Description string

	// ExecStart is the command: an absolute path, then its arguments, each passed
	// to the program as it is here. An upgrade starts the path anew, so it should
	// be one that a deployment replaces by rename, or a symlink that it moves.
	ExecStart []string

	// ExecReload and ExecReloadPost are the commands that make `systemctl reload` fail
	// when the upgrade has failed, such as `instar reload-verdict`. Empty: no such line,
	// and a failed upgrade shows in STATUS= and ERRNO= alone. systemd sends the reload
	// signal itself; a command here must not.
	//
	// ExecReload= runs beside the signal on systemd 257 and earlier; on 262 before it,
	// and can cancel it. ExecReloadPost= runs after the upgrade, from systemd 259 on;
	// older ones warn about it and ignore it. The system's manager runs both as root and
	// outside the sandbox ('+'), on which the answer must not depend.
	ExecReload, ExecReloadPost []string

	// Sockets are the sockets that the service listens on. At least one; each is a
	// .socket unit of its own.
	Sockets []Socket

	// Scope is the manager that runs the service. For [User], Write leaves out the
	// settings that only the system's manager may make.
	Scope Scope

	// ReadyTimeout, DrainTimeout and Probation are those of the service's reload.Config.
	// Zero: its defaults, and no probation.
	ReadyTimeout, DrainTimeout, Probation time.Duration

	// Watchdog is WatchdogSec=, longer than Probation. Zero: none.
	Watchdog time.Duration

	// Store is FileDescriptorStoreMax=: how many entries systemd keeps for the
	// service. Zero: it keeps nothing.
	Store int

	// Account is User=. Empty: DynamicUser=yes. The system's manager only.
	Account string

	// Outbound says that the service opens network connections of its own.
	// False: it has no network but the sockets that systemd gives it.
	Outbound bool

	// Settings are further lines of [Service], such as "LimitNOFILE=65536", in the syntax
	// of systemd.syntax(7). They are written last, and so override what Write has chosen.
	Settings []string
}

// A Socket is one .socket unit: one name, under which the service asks for it,
// and one or more addresses.
type Socket struct {
	// Name is FileDescriptorName=, which the service passes to reload.Service.Listener.
	// It may not begin with "instar.".
	Name string

	// Listen are lines such as "ListenStream=8080", "ListenDatagram=127.0.0.1:53" or
	// "ListenSequentialPacket=/run/web.sock", see systemd.socket(5). At least one.
	Listen []string

	// Backlog is how many connections may wait for accept(2), during a takeover or a
	// restart. Zero: 4096; the kernel caps it by net.core.somaxconn. No line for a socket
	// that has only datagrams.
	Backlog int

	// Mode is the access mode of Unix sockets. Zero: 0666, systemd's own.
	Mode fs.FileMode
}

// internal is the Service as the package that does the work has it.
func (s Service) internal() units.Service {
	in := units.Service{
		Name: s.Name, Description: s.Description,
		ExecStart: s.ExecStart, ExecReload: s.ExecReload, ExecReloadPost: s.ExecReloadPost,
		Scope:        units.Scope(s.Scope),
		ReadyTimeout: s.ReadyTimeout, DrainTimeout: s.DrainTimeout, Probation: s.Probation, Watchdog: s.Watchdog,
		Store: s.Store, Account: s.Account, Outbound: s.Outbound,
	}
	for _, line := range s.Settings {
		name, value, _ := strings.Cut(line, "=")
		in.Settings = append(in.Settings, units.Setting{Name: name, Value: value})
	}
	for _, socket := range s.Sockets {
		listen := make([]units.Listen, len(socket.Listen))
		for i, line := range socket.Listen {
			listen[i].Directive, listen[i].Address, _ = strings.Cut(line, "=")
		}
		in.Sockets = append(in.Sockets, units.Socket{Name: socket.Name, Listen: listen, Backlog: socket.Backlog, Mode: socket.Mode})
	}
	return in
}
