package status

import (
	"context"
	"log/slog"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/reload"
)

// Config says how a service shows itself. The zero value is right for a service
// that systemd runs.
type Config struct {
	// Unit is the service's unit, such as "web.service". Empty: the one that this
	// process's cgroup belongs to.
	Unit string

	// Name is the well-known name to own. Empty: that of the unit, see [Name].
	Name string

	// Address is the address of the bus, as the D-Bus specification writes it. Empty:
	// the bus of the manager that runs the unit.
	Address string

	// Logger gets a line for each new trouble with the bus or the unit. Nil:
	// slog.Default().
	Logger *slog.Logger
}

// Exported returns run with its service on the bus, for [reload.Main]:
//
//	func main() { reload.Main(reload.Config{}, status.Exported(serve)) }
//
// It calls [Export] with the Config for a service that systemd runs, before run.
func Exported(run func(ctx context.Context, svc *reload.Service) error) func(context.Context, *reload.Service) error {
	return func(ctx context.Context, svc *reload.Service) error {
		Export(ctx, svc, Config{Logger: svc.Config().Logger})
		return run(ctx, svc)
	}
}

// Export shows svc on the bus until ctx ends or svc is over. Call it before svc.Serve.
// It returns at once: errors of the bus or of config are logged, and the service goes on.
func Export(ctx context.Context, svc *reload.Service, config Config) {
	status.Export(ctx, svc, status.Config(config))
}

// Command is for [reload.Config.Command]: an upgrade starts what ExecStart= of the unit
// says now, in the directory that WorkingDirectory= says now, symlinks resolved anew, and
// with Environment= and EnvironmentFile= as they are now, after a
// `systemctl daemon-reload`. Without it, an upgrade keeps the arguments, the directory
// and the environment that systemd once started the service with.
//
//	svc, err := reload.Open(reload.Config{Command: status.Command})
//
// It asks the manager that runs the unit, on its bus; if the manager does not answer, the
// upgrade fails. A variable that neither the unit nor one of its files sets any more is
// gone, if a generation has seen it there. Variables that systemd sets by itself,
// those of PassEnvironment= included, stay.
//
// The verdict says what the service cannot have, see [reload.Verdict]: the variables of
// an EnvironmentFile= that systemd reads as root and the service cannot read stay as
// they are, and a credential whose source has changed is the one that was loaded at the
// start, unless RefreshOnReload=credentials is set (systemd 260 and later).
func Command(ctx context.Context, svc *reload.Service) (reload.Command, error) {
	return status.Command(ctx, svc)
}

// Name is the well-known name of a service: io.github.instar_project.unit. and the
// unit's name without ".service", escaped as sd_bus_path_encode(3) escapes: any byte but
// an ASCII letter or digit, and a digit at the start, becomes _ and two hexadecimal
// digits. The error says if the name would be too long.
func Name(unit string) (string, error) { return status.Name(unit) }

// Policy is the policy that the system bus needs for the well-known name of a
// service: root and the service's user may own it and call its methods, everyone
// may read. user is the name or number of User=; it must be known when the bus
// reads the file, see the package comment. Write it to
// /usr/share/dbus-1/system.d/NAME.conf, or below /etc; dbus-daemon(1) has the
// format. The bus reads it as soon as it is there.
func Policy(name, user string) (string, error) { return status.Policy(name, user) }
