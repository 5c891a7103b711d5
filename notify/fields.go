package notify

import (
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Fields without a value of their own.
var (
	// Ready is READY=1: start-up, or a reload that began with [Reloading], is complete.
	Ready = assign("READY", "1")

	// Stopping is STOPPING=1: the service has begun to shut down. There is no way
	// back: since systemd 259 a later READY=1 is ignored, and the manager waits for
	// the service to exit.
	Stopping = assign("STOPPING", "1")

	// Watchdog is WATCHDOG=1, the keep-alive ping. [Notifier.KeepAlive] sends it.
	Watchdog = assign("WATCHDOG", "1")

	// WatchdogTrigger is WATCHDOG=trigger: the service has found itself broken, and
	// systemd acts at once as if pings had stayed out, even without WatchdogSec=.
	WatchdogTrigger = assign("WATCHDOG", "trigger")

	// RestartReset is RESTART_RESET=1: the delay that RestartSteps= has let grow is
	// RestartSec= again. Systemd 258 and later; older ones ignore it.
	RestartReset = assign("RESTART_RESET", "1")
)

// Reloading is RELOADING=1 with MONOTONIC_USEC=, the CLOCK_MONOTONIC time of this
// call. Under Type=notify-reload systemd takes it as the answer to its reload
// signal only if that time is not before the signal: call it after the signal has
// arrived. A [Ready] must follow, whatever becomes of the reload, or the unit
// stays in "reloading".
func Reloading() Field {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return invalid("MONOTONIC_USEC", "clock_gettime(CLOCK_MONOTONIC): %v", err)
	}
	return reloadingAt(uint64(now.Nano() / int64(time.Microsecond)))
}

// reloadingAt is [Reloading] for a time that the caller took, in microseconds of
// CLOCK_MONOTONIC.
func reloadingAt(usec uint64) Field {
	return Field{assignments: []assignment{
		{"RELOADING", "1"},
		{"MONOTONIC_USEC", strconv.FormatUint(usec, 10)},
	}}
}

// Status is STATUS=: one line of UTF-8 text for people, shown by systemctl status.
// "" clears it. A line end in it is an error: see [OneLine].
func Status(text string) Field {
	if !utf8.ValidString(text) {
		return invalid("STATUS", "%q is not UTF-8, and systemd would ignore it: pass it through OneLine", text)
	}
	return assign("STATUS", text)
}

// MainPID is MAINPID=: the process systemd shall take for the main process of the
// unit from now on. pid is positive, and counted as the manager counts: in the
// manager's PID namespace. systemd refuses a process outside the unit's control
// group unless the sender is privileged.
func MainPID(pid int) Field {
	if pid <= 0 {
		return invalid("MAINPID", "%d is not the PID of a process", pid)
	}
	return assign("MAINPID", strconv.Itoa(pid))
}

// MainPIDFDID is MAINPID= with MAINPIDFDID=, the inode number of a pidfd of that
// process, as fstat(2) gives it: systemd 257 and later refuses the change if the
// PID has been reused since. Older ones take it for [MainPID].
func MainPIDFDID(pid int, pidfdid uint64) Field {
	field := MainPID(pid)
	if field.err != nil {
		return field
	}
	if pidfdid == 0 {
		return invalid("MAINPIDFDID", "0 is not the inode number of a pidfd")
	}
	field.assignments = append(field.assignments, assignment{"MAINPIDFDID", strconv.FormatUint(pidfdid, 10)})
	return field
}

// MainPIDFD is MAINPIDFD=1: the main process is the one that pidfd, borrowed until
// Send returns, refers to (pidfd_open(2)). Systemd 257 and later; older ones ignore
// it, so send [MainPID] beside it where they matter: versions that know the pidfd
// prefer it.
func MainPIDFD(pidfd int) Field {
	if pidfd < 0 {
		return invalid("MAINPIDFD", "%d is not an open descriptor", pidfd)
	}
	field := assign("MAINPIDFD", "1")
	field.fds = []int{pidfd}
	return field
}

// maxErrno is the kernel's bound for error numbers, which systemd checks.
const maxErrno = 4095

// Errno is ERRNO=: the error the service failed with. 0 clears it.
func Errno(errno syscall.Errno) Field {
	if errno > maxErrno {
		return invalid("ERRNO", "%d is not an error number: want 0 to %d", uint(errno), maxErrno)
	}
	return assign("ERRNO", strconv.Itoa(int(errno)))
}

// BusError is BUSERROR=: the name of the D-Bus error the service failed with, such
// as org.freedesktop.DBus.Error.TimedOut.
func BusError(name string) Field { return errorName("BUSERROR", name) }

// VarlinkError is VARLINKERROR=: the name of the Varlink error the service failed
// with, such as org.varlink.service.InvalidParameter. Systemd 257 and later; older
// ones ignore it.
func VarlinkError(name string) Field { return errorName("VARLINKERROR", name) }

func errorName(key, name string) Field {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return invalid(key, "%q is not an error name: byte %d is not a visible ASCII character", name, i)
		}
	}
	if name == "" {
		return invalid(key, "the name of the error is empty")
	}
	return assign(key, name)
}

// ExitStatus is EXIT_STATUS=, 0 to 255. systemd sends it to its own supervisor and
// does not act on a service's.
func ExitStatus(status int) Field {
	if status < 0 || status > 255 {
		return invalid("EXIT_STATUS", "%d is not an exit status: want 0 to 255", status)
	}
	return assign("EXIT_STATUS", strconv.Itoa(status))
}

// WatchdogUSec is WATCHDOG_USEC=: replaces WatchdogSec= until the service is
// restarted. It is rounded up to a whole microsecond; 0 turns the watchdog off.
func WatchdogUSec(interval time.Duration) Field {
	if interval < 0 {
		return invalid("WATCHDOG_USEC", "%v is negative; 0 turns the watchdog off", interval)
	}
	return assign("WATCHDOG_USEC", microseconds(interval))
}

// ExtendTimeout is EXTEND_TIMEOUT_USEC=: the start, runtime or stop timeout that is
// running ends no sooner than d from now. d is positive and rounded up to a whole
// microsecond. Send it again before d has passed for as long as it takes.
func ExtendTimeout(d time.Duration) Field {
	if d <= 0 {
		return invalid("EXTEND_TIMEOUT_USEC", "%v extends nothing: want a positive duration", d)
	}
	return assign("EXTEND_TIMEOUT_USEC", microseconds(d))
}

// microseconds rounds up: rounding a short time down to 0 would mean "off".
func microseconds(d time.Duration) string {
	usec := int64(d / time.Microsecond)
	if d%time.Microsecond != 0 {
		usec++
	}
	return strconv.FormatInt(usec, 10)
}

// NotifyAccess is NOTIFYACCESS=: replaces NotifyAccess= until the service is
// restarted. Systemd 254 and later. access is "main", the main process; "exec", the main
// process and the control processes, ExecReload= and the like; "all", every process in the
// unit's control group; or "none", from which no process of the unit can come back.
func NotifyAccess(access string) Field {
	switch access {
	case "none", "main", "exec", "all":
		return assign("NOTIFYACCESS", access)
	}
	return invalid("NOTIFYACCESS", "%q is none of none, main, exec and all", access)
}
