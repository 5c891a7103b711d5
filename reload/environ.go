package reload

import (
	"fmt"
	"strconv"
	"strings"
)

// handoverVariable names the descriptor of the handover socket to a successor.
const handoverVariable = "INSTAR_HANDOVER_FD"

// handoverFD is where a successor finds the handover socket: the first after stdio.
const handoverFD = 3

// perProcess are the variables that systemd has set for the first process
// alone; a successor that inherited them would take them for its own.
var perProcess = map[string]bool{
	"LISTEN_PID":       true,
	"LISTEN_PIDFDID":   true,
	"LISTEN_FDS":       true,
	"LISTEN_FDNAMES":   true,
	"WATCHDOG_PID":     true, // WATCHDOG_USEC stays: it holds for whoever is main
	"SYSTEMD_EXEC_PID": true,
	"MAINPID":          true,
	"NOTIFY_SOCKET":    true, // set anew
	handoverVariable:   true,
}

// successorEnviron is what a successor gets: what systemd gave this process,
// less what was meant for this process alone.
func successorEnviron(own []string, notifySocket string) []string {
	var env []string
	for _, kv := range own {
		if key, _, _ := strings.Cut(kv, "="); !perProcess[key] {
			env = append(env, kv)
		}
	}
	if notifySocket != "" {
		env = append(env, "NOTIFY_SOCKET="+notifySocket)
	}
	return append(env, fmt.Sprintf("%s=%d", handoverVariable, handoverFD))
}

// parseHandover reads the variable that makes a process a successor.
func parseHandover(value string) (fd int, err error) {
	fd, err = strconv.Atoi(value)
	if err != nil || fd < handoverFD {
		return 0, fmt.Errorf("reload: malformed %s=%q: a predecessor sets it, nobody else should", handoverVariable, value)
	}
	return fd, nil
}
