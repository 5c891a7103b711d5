package units

import (
	"time"

	"github.com/instar-project/instar/internal/limits"
)

// Service is a service and its sockets, as [Write] renders them. Package units says what
// the fields mean.
type Service struct {
	Name                                  string // without ".service"
	Description                           string
	ExecStart, ExecReload, ExecReloadPost []string
	Sockets                               []Socket
	Scope                                 Scope
	ReadyTimeout, DrainTimeout, Probation time.Duration
	Watchdog                              time.Duration
	Store                                 int
	Account                               string
	Outbound                              bool
	Settings                              []Setting // further lines of [Service]
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
		s.ReadyTimeout = limits.ReadyTimeout
	}
	if s.DrainTimeout == 0 {
		s.DrainTimeout = limits.DrainTimeout
	}
	return s
}
