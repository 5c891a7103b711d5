package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// HostPID returns the PID on the host of a process that has the PID pid in the
// machine: to read its /proc/PID/fd from outside, or to kill or stop it.
func (m *Machine) HostPID(pid int) (int, error) {
	machine, err := os.Readlink(m.proc("ns/pid"))
	if err != nil {
		return 0, fmt.Errorf("machine: %s: PID %d on the host: %w", m.name, pid, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, process := range processes {
		// A process may end while we look at it; then it isn't the one.
		if ns, err := os.Readlink(process + "/ns/pid"); err != nil || ns != machine {
			continue
		}
		status, err := os.ReadFile(process + "/status")
		if err != nil || innermostPID(string(status)) != pid {
			continue
		}
		return strconv.Atoi(filepath.Base(process))
	}
	return 0, fmt.Errorf("machine: %s: it has no process with PID %d: %w", m.name, pid, os.ErrNotExist)
}

// innermostPID returns the PID that a process has in its own PID namespace, from
// the text of proc_pid_status(5), or 0.
func innermostPID(status string) int {
	for line := range strings.Lines(status) {
		if pids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(pids)
			if len(fields) == 0 {
				return 0
			}
			pid, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return 0
			}
			return pid
		}
	}
	return 0
}
