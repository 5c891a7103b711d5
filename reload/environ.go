package reload

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/handover"
)

// The variables that name the descriptor of its socket to a process that this
// library starts: to a successor, and to a preflight.
const (
	handoverVariable  = "INSTAR_HANDOVER_FD"
	preflightVariable = "INSTAR_PREFLIGHT_FD"
)

// handoverFD is where either finds it: the first after stdio.
const handoverFD = 3

// perProcess are the variables that systemd has set for the first process
// alone; a successor that inherited them would take them for its own.
var perProcess = map[string]bool{
	"LISTEN_PID":       true,
	"LISTEN_PIDFDID":   true,
	"LISTEN_FDS":       true,
	"LISTEN_FDNAMES":   true,
	"WATCHDOG_PID":     true, // WATCHDOG_USEC stays: it holds for any main process
	"SYSTEMD_EXEC_PID": true,
	"MAINPID":          true,
	"NOTIFY_SOCKET":    true, // set anew
	handoverVariable:   true,
	preflightVariable:  true,
}

// successorEnviron is the environment of a successor: that of this process, less
// the variables that are meant for this process alone.
func successorEnviron(own []string, notifySocket string) []string {
	env := withoutPerProcess(own)
	if notifySocket != "" {
		env = append(env, "NOTIFY_SOCKET="+notifySocket)
	}
	return append(env, fmt.Sprintf("%s=%d", handoverVariable, handoverFD))
}

// preflightEnviron is the same for a process that is only asked. It has nothing
// to say to systemd.
func preflightEnviron(own []string) []string {
	return append(withoutPerProcess(own), fmt.Sprintf("%s=%d", preflightVariable, handoverFD))
}

func withoutPerProcess(own []string) []string {
	var env []string
	for _, kv := range own {
		if key, _, _ := strings.Cut(kv, "="); !perProcess[key] {
			env = append(env, kv)
		}
	}
	return env
}

// takeLine takes the line that such a variable names out of the environment; ok is
// false if it is not set. The line is the caller's.
func takeLine(variable string) (line *handover.Conn, ok bool, err error) {
	value, ok := os.LookupEnv(variable)
	if !ok {
		return nil, false, nil
	}
	if err := os.Unsetenv(variable); err != nil {
		return nil, true, fmt.Errorf("reload: %w", err)
	}
	fd, err := parseLine(variable, value)
	if err != nil {
		return nil, true, err
	}
	if line, err = handover.Open(fd); err != nil {
		return nil, true, fmt.Errorf("reload: %s=%q: %w", variable, value, err)
	}
	return line, true, nil
}

// parseLine reads the value of such a variable.
func parseLine(variable, value string) (fd int, err error) {
	fd, err = strconv.Atoi(value)
	if err != nil || fd < handoverFD {
		return 0, fmt.Errorf("reload: malformed %s=%q: only a predecessor may set it", variable, value)
	}
	return fd, nil
}
