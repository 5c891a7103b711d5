package machine

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// Manager is one systemd that tests install units into and drive: the system
// manager of a machine, or the manager of a user.
type Manager struct {
	host   Host
	what   string   // "system manager", for errors
	scope  string   // "--system" or "--user", as systemctl has it
	prefix []string // the command that runs another one as the manager's user
	env    []string // variables by which a command finds the manager
	units  string   // folder
	dir    string   // folder
}

// System returns the machine's system manager.
func (m *Machine) System() *Manager {
	return &Manager{
		host: m, what: "system manager", scope: "--system",
		units: "/etc/systemd/system", dir: "/opt/instar",
	}
}

// UserUID is the user, besides root, whose manager tests in a machine may use.
const UserUID = 1000

// User starts the manager of a user in the machine, if it doesn't run, and
// returns it. uid is 0 or UserUID.
func (m *Machine) User(ctx context.Context, uid int) (*Manager, error) {
	if _, err := m.Run(ctx, "systemctl", "start", fmt.Sprintf("user@%d.service", uid)); err != nil {
		return nil, err
	}
	id, home := strconv.Itoa(uid), "/root"
	var prefix []string
	if uid != 0 {
		home = "/home/instar"
		prefix = []string{"setpriv", "--reuid=" + id, "--regid=" + id, "--init-groups", "--"}
	}
	session := "/run/user/" + id
	return &Manager{
		host: m, what: "manager of user " + id, scope: "--user", prefix: prefix,
		env: []string{
			"HOME=" + home,
			"XDG_RUNTIME_DIR=" + session,
			"DBUS_SESSION_BUS_ADDRESS=unix:path=" + session + "/bus",
		},
		units: session + "/systemd/user", dir: home + "/instar",
	}, nil
}

// Host returns where the manager's services run.
func (g *Manager) Host() Host { return g.host }

func (g *Manager) String() string { return fmt.Sprintf("%s of %s", g.what, g.host) }

// UnitDir returns the folder that InstallUnit writes to.
func (g *Manager) UnitDir() string { return g.units }

// Dir returns a folder, on the manager's host, for a test's binaries and other
// files: one that the manager's services can read. It need not exist yet.
func (g *Manager) Dir() string { return g.dir }

// Command returns a command that runs as the manager's user and finds the manager.
func (g *Manager) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	argv := append(append(append([]string{}, g.prefix...), name), args...)
	cmd := g.host.Command(ctx, argv[0], argv[1:]...)
	cmd.Env = append(cmd.Env, g.env...)
	return cmd
}

// Run runs a command, as Command has it, and returns its stdout. The error is a
// *CommandError, with its stderr.
func (g *Manager) Run(ctx context.Context, name string, args ...string) (stdout string, err error) {
	return run(ctx, g.String(), g.Command(ctx, name, args...), append([]string{name}, args...))
}

// Systemctl runs systemctl(1) for this manager and returns its stdout.
func (g *Manager) Systemctl(ctx context.Context, args ...string) (stdout string, err error) {
	return g.Run(ctx, "systemctl", append([]string{g.scope, "--no-pager", "--no-ask-password"}, args...)...)
}

// InstallUnit makes or replaces a unit file; a name such as
// "web.service.d/limits.conf" is a drop-in. The manager heeds it after DaemonReload.
func (g *Manager) InstallUnit(name, text string) error {
	return g.host.WriteFile(path.Join(g.units, name), []byte(text), 0o644)
}

// RemoveUnit removes the unit of InstallUnit, if it is there.
func (g *Manager) RemoveUnit(name string) error { return g.host.Remove(path.Join(g.units, name)) }

// DaemonReload has the manager read its unit files again.
func (g *Manager) DaemonReload(ctx context.Context) error { return g.ctl(ctx, "daemon-reload") }

// Start starts units, and returns when they have started.
func (g *Manager) Start(ctx context.Context, units ...string) error {
	return g.ctl(ctx, "start", units...)
}

// Stop stops units, and returns when they have stopped.
func (g *Manager) Stop(ctx context.Context, units ...string) error {
	return g.ctl(ctx, "stop", units...)
}

// Restart restarts units, and returns when they have started again.
func (g *Manager) Restart(ctx context.Context, units ...string) error {
	return g.ctl(ctx, "restart", units...)
}

// Reload reloads units, and returns when they say that they have.
func (g *Manager) Reload(ctx context.Context, units ...string) error {
	return g.ctl(ctx, "reload", units...)
}

// ResetFailed forgets the failures of units, and how often they were started.
func (g *Manager) ResetFailed(ctx context.Context, units ...string) error {
	return g.ctl(ctx, "reset-failed", units...)
}

func (g *Manager) ctl(ctx context.Context, verb string, units ...string) error {
	_, err := g.Systemctl(ctx, append([]string{verb, "--"}, units...)...)
	return err
}

// Show returns properties of a unit, as systemctl show has them: all when none is
// named. A unit that doesn't exist has properties too (LoadState=not-found).
func (g *Manager) Show(ctx context.Context, unit string, properties ...string) (map[string]string, error) {
	args := []string{"show"}
	if len(properties) > 0 {
		args = append(args, "--property="+strings.Join(properties, ","))
	}
	text, err := g.Systemctl(ctx, append(args, "--", unit)...)
	if err != nil {
		return nil, err
	}
	return parseProperties(text), nil
}

// parseProperties reads the output of systemctl show: NAME=VALUE lines. A property
// that is a list stands on several lines; its values are joined by newlines.
func parseProperties(text string) map[string]string {
	properties := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			continue
		}
		if before, again := properties[name]; again {
			value = before + "\n" + value
		}
		properties[name] = value
	}
	return properties
}

// Property returns one property of a unit.
func (g *Manager) Property(ctx context.Context, unit, property string) (string, error) {
	properties, err := g.Show(ctx, unit, property)
	if err != nil {
		return "", err
	}
	value, ok := properties[property]
	if !ok {
		return "", fmt.Errorf("machine: %s: %s has no property %s", g, unit, property)
	}
	return value, nil
}

// MainPID returns the PID of a service's main process, as the host knows it that
// this process runs on, or 0 when the service has none.
func (g *Manager) MainPID(ctx context.Context, unit string) (int, error) {
	value, err := g.Property(ctx, unit, "MainPID")
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(value)
	if err != nil || pid == 0 {
		return 0, err
	}
	return g.host.HostPID(pid)
}

// Journal returns the journal of a unit since boot, the manager's own messages
// about it included, with everything written before the call.
func (g *Manager) Journal(ctx context.Context, unit string) (string, error) {
	// Only root may ask for it, and on this host we may not be.
	if m, ok := g.host.(*Machine); ok {
		if err := m.SyncJournal(ctx); err != nil {
			return "", err
		}
	}
	args := []string{"--boot", "--no-pager", "--quiet", "--output=short-monotonic"}
	if g.scope == "--system" {
		args = append(args, "--unit="+unit)
	} else {
		// Not --user-unit=, which finds nothing when root asks for a user.
		args = append(args, "_SYSTEMD_USER_UNIT="+unit, "+", "USER_UNIT="+unit)
	}
	cmd := g.host.Command(ctx, "journalctl", args...)
	return run(ctx, g.String(), cmd, append([]string{"journalctl"}, args...))
}
