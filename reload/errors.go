package reload

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/generation"

	"golang.org/x/sys/unix"
)

// The failures of a successor. The reason of a failed upgrade wraps one of these.
var (
	// ErrSpawn: no successor could be started.
	ErrSpawn = errors.New("no successor could be started")
	// ErrCrashed: the successor's process ended before it took over.
	ErrCrashed = errors.New("the successor ended")
	// ErrTimedOut: the successor was not ready within ReadyTimeout.
	ErrTimedOut = errors.New("the successor was not ready in time")
	// ErrRefused: the successor said that it will not take over.
	ErrRefused = errors.New("the successor refused")
	// ErrProtocol: the successor does not speak the protocol of the handover, or
	// only a version of it that this build does not.
	ErrProtocol = errors.New("the successor does not speak the handover protocol")
	// ErrHandover: the successor could not be sent the sockets or the entries of the
	// store.
	ErrHandover = errors.New("the successor could not be handed its descriptors")
	// ErrUnhealthy: the successor has failed its probation.
	ErrUnhealthy = errors.New("the successor has failed its probation")
	// ErrStore: the application's state could not be put into the store.
	ErrStore = errors.New("the state could not be stored")
	// ErrNaming: systemd could not be told of the new main process.
	ErrNaming = errors.New("systemd could not be told of the new main process")
)

// ErrServed is the error of a second call of Serve, or of one after Close.
var ErrServed = errors.New("reload: Serve was called before")

// errUnexplained is in a refusal whose only reason is that the successor ends.
var errUnexplained = errors.New("no reason was given")

// ended is the failure of a process that has ended before its time, with its last words.
func ended(pid int, status syscall.WaitStatus, said string) *failure {
	f := &failure{words: said, causes: []error{ErrCrashed}}
	if status.Signaled() {
		f.public = fmt.Sprintf("%v: PID %d was killed by %s", ErrCrashed, pid, unix.SignalName(status.Signal()))
	} else {
		f.public = fmt.Sprintf("%v: PID %d exited with status %d", ErrCrashed, pid, status.ExitStatus())
	}
	return f
}

// killedBy reports whether a process was ended by that signal.
func killedBy(status syscall.WaitStatus, signal syscall.Signal) bool {
	return status.Signaled() && status.Signal() == signal
}

// handoverFailed is why the successor could not be sent descriptors.
func handoverFailed(err error) error {
	advice := ""
	if errors.Is(err, unix.ETOOMANYREFS) {
		advice = ": this user has too many descriptors in flight, those of bundles included: raise LimitNOFILE= of the unit; see unix(7)"
	}
	return openly(fmt.Errorf("%w: %w%s", ErrHandover, err, advice))
}

// timedOut names the step that the successor has not done in time, from the phase of its
// predecessor.
func timedOut(pid int, phase string, limit time.Duration) error {
	switch phase {
	case generation.Proving.String():
		return openly(fmt.Errorf("%w: PID %d has not been heard of in its probation for %v", ErrUnhealthy, pid, heartbeatTimeout))
	case generation.Offering.String():
		return openly(fmt.Errorf("%w: PID %d has not adopted the state within %v (Config.ReadyTimeout)", ErrTimedOut, pid, limit))
	}
	return openly(fmt.Errorf("%w: PID %d has not called Serve within %v (Config.ReadyTimeout)", ErrTimedOut, pid, limit))
}

// errno is the ERRNO= of a failed upgrade, so that `systemctl show -P StatusErrno`
// tells the kinds apart.
func errno(reason error) syscall.Errno {
	var e syscall.Errno
	switch {
	case errors.As(reason, &e):
		return e
	case errors.Is(reason, ErrTimedOut), errors.Is(reason, ErrNaming):
		return syscall.ETIMEDOUT
	case errors.Is(reason, ErrUnhealthy):
		return syscall.EHOSTDOWN
	case errors.Is(reason, ErrRefused):
		return syscall.ECANCELED
	case errors.Is(reason, ErrProtocol):
		return syscall.EPROTO
	case errors.Is(reason, ErrCrashed):
		return syscall.ECHILD
	}
	return syscall.EIO
}
