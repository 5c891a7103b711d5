package activation

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// absence is the reason why a process was passed nothing, with advice; that is ""
// where it depends on the getter.
type absence struct{ problem, advice string }

// whyAbsent explains the zero environment that parse made of the same variables.
func whyAbsent(lookup func(string) (string, bool), pid int) absence {
	forPID, pidSet := lookup(envPID)
	fds, fdsSet := lookup(envFDs)
	switch {
	case pidSet && forPID != strconv.Itoa(pid):
		return absence{
			fmt.Sprintf("the sockets were passed to another process (%s=%q, this one is %d)", envPID, forPID, pid),
			"a wrapper in ExecStart= must exec the program, not start it as its child",
		}
	case pidSet && fdsSet:
		id, _ := lookup(envPIDFDID)
		return absence{
			fmt.Sprintf("the sockets were passed to an earlier process with the same PID (%s=%q is not this one)", envPIDFDID, id),
			"unset the LISTEN_* variables where they are inherited from",
		}
	case fdsSet:
		return absence{
			fmt.Sprintf("%s=%q came without %s", envFDs, fds, envPID),
			fmt.Sprintf("the starter of the program must set %s to the program's own PID: sh -c 'LISTEN_PID=$$ exec ./%s'", envPID, program()),
		}
	}
	// systemd.exec(5): set for the process that systemd itself executed.
	if exec, _ := lookup("SYSTEMD_EXEC_PID"); exec == strconv.Itoa(pid) {
		return absence{
			fmt.Sprintf("systemd started this service without sockets (%s is not set)", envFDs),
			"give the .service a .socket unit of the same name, or name it in Sockets=, and start the .socket before the .service; if all that is so, the .socket was edited while it ran: systemctl restart both",
		}
	}
	return absence{problem: fmt.Sprintf("no sockets were passed to this process (%s is not set)", envFDs)}
}

// program is the name by which the user calls this program.
func program() string { return filepath.Base(os.Args[0]) }
