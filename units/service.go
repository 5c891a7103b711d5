package units

import "time"

// The limits of package reload where its Config says nothing. They are repeated
// here so that who writes unit files need not link it.
const (
	DefaultReadyTimeout = 30 * time.Second
	DefaultDrainTimeout = 30 * time.Second
)

// Service is a service and its sockets, as [Write] renders them.
type Service struct {
	// Name is that of the unit, without ".service": "web".
	Name string

	// Description is Description=. Empty: Name.
	Description string

	// ExecStart is the command: an absolute path, then its arguments, each
	// passed to the program as it is here. The path is what an upgrade starts
	// anew, so it should be one that a deployment replaces by rename, or a
	// symlink that it moves.
	ExecStart []string

	// ExecReload and ExecReloadPost are the commands that answer for
	// `systemctl reload` failing when the upgrade has failed: the place for
	// verdict helpers. Empty: no such line, and a failed upgrade shows in
	// STATUS= and ERRNO= alone. systemd sends the reload signal itself; a
	// command here must not.
	//
	// ExecReload= runs beside the signal on systemd 257 and earlier; on 262 before
	// it, and can cancel it. Of the system's manager they run as root and outside the
	// sandbox ('+'), on which the answer must not depend. ExecReloadPost= runs after it, from systemd 259 on
	// ([ReloadPost]); older ones warn about it and ignore it.
	ExecReload, ExecReloadPost []string

	// Sockets are where the service listens. At least one; each is a .socket
	// unit of its own.
	Sockets []Socket

	// Scope is the manager that runs the service. For [User] the settings that
	// only the system manager may make are left out.
	Scope Scope

	// ReadyTimeout and DrainTimeout are those of the service's reload.Config.
	// Zero: [DefaultReadyTimeout] and [DefaultDrainTimeout].
	ReadyTimeout, DrainTimeout time.Duration

	// Probation is how long a successor serves before it counts as proven.
	// Zero: not at all.
	Probation time.Duration

	// Watchdog is WatchdogSec=, longer than Probation. Zero: none.
	Watchdog time.Duration

	// Store is FileDescriptorStoreMax=: how many entries systemd keeps for the
	// service. Zero: it keeps nothing.
	Store int

	// Account is User=. Empty: DynamicUser=yes. The system manager only.
	Account string

	// Outbound says that the service opens network connections of its own.
	// False: it has no network but the sockets that systemd gives it.
	Outbound bool

	// Settings are further lines of [Service], written last, so that they
	// override what Write has chosen.
	Settings []Setting
}

// Setting is one line of a unit file, Name=Value. The value is in the syntax of
// systemd.syntax(7): '%' begins a specifier.
type Setting struct{ Name, Value string }

// ServiceUnit is the name of the service's unit.
func (s Service) ServiceUnit() string { return s.Name + ".service" }

// SocketUnit is the name of the unit of Sockets[i]. The first is called as the
// service; the others have their socket's name in theirs.
func (s Service) SocketUnit(i int) string {
	if i == 0 {
		return s.Name + ".socket"
	}
	return s.Name + "-" + s.Sockets[i].Name + ".socket"
}

func (s Service) withDefaults() Service {
	if s.Description == "" {
		s.Description = s.Name
	}
	if s.ReadyTimeout == 0 {
		s.ReadyTimeout = DefaultReadyTimeout
	}
	if s.DrainTimeout == 0 {
		s.DrainTimeout = DefaultDrainTimeout
	}
	return s
}
