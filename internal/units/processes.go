package units

import "context"

// Process is one process of a unit.
type Process struct {
	PID     int    // in the PID namespace of systemd
	Cgroup  string // "/system.slice/web.service"
	Command string // its command line, as systemctl(1) shows it
}

// Processes are all processes of a unit that have not ended, in no order: of a
// service that upgrades itself, those of every generation. A unit without any has
// none, and no error.
func (c *Conn) Processes(ctx context.Context, unit string) ([]Process, error) {
	if err := checkUnitName(unit); err != nil {
		return nil, c.failed("Processes", unit, err)
	}
	var raw []struct {
		Cgroup  string
		PID     uint32
		Command string
	}
	err := c.bus.Object(busName, busPath).CallWithContext(ctx, managerBus+".GetUnitProcesses", 0, unit).Store(&raw)
	if err != nil {
		return nil, c.failed("Processes", unit, err)
	}
	all := make([]Process, 0, len(raw))
	for _, p := range raw {
		all = append(all, Process{PID: int(p.PID), Cgroup: p.Cgroup, Command: p.Command})
	}
	return all, nil
}

// ManagerPID is the PID of the systemd itself, which holds the file descriptor
// stores: 1 for the machine's, another for a user's.
func (c *Conn) ManagerPID(ctx context.Context) (int, error) {
	var pid uint32
	err := c.bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixProcessID", 0, busName).Store(&pid)
	if err != nil {
		return 0, c.failed("ManagerPID", "", err)
	}
	return int(pid), nil
}
