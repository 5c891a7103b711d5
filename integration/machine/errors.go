package machine

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrUnavailable is in the error of Build and Boot when the Debian mirror
	// cannot give the version asked for: no such suite any more, another
	// systemd in it, or no answer. A test matrix reports "not run" for it; any
	// other error is a failure.
	ErrUnavailable = errors.New("not available from the Debian mirror")

	// ErrUnsupported is in the error of Build and Boot when this host cannot
	// run machines as it is: not root, a tool not installed, no cgroup2.
	ErrUnsupported = errors.New("this host cannot run machines")

	// ErrNoUserManager is in the error of HostUser when this host has no user
	// manager that tests can run on.
	ErrNoUserManager = errors.New("no user manager to test on")

	// ErrClosed is in the errors of calls on a machine after Close.
	ErrClosed = errors.New("the machine is closed")
)

// BootError says why a machine did not come up.
type BootError struct {
	Name    string // of the machine
	Console string // the end of its console output
	Err     error
}

func (e *BootError) Error() string {
	s := fmt.Sprintf("machine: boot %s: %v", e.Name, e.Err)
	if console := strings.TrimSpace(e.Console); console != "" {
		s += "; its console:\n" + console
	}
	return s
}

func (e *BootError) Unwrap() error { return e.Err }

// CommandError says how a command failed, with its stderr.
type CommandError struct {
	Where   string   // the machine, or "this host"
	Command []string // the command as the caller gave it
	Stderr  string
	Err     error // from os/exec: an *exec.ExitError, or the context's error
}

func (e *CommandError) Error() string {
	s := fmt.Sprintf("machine: %s: %s: %v", e.Where, strings.Join(e.Command, " "), e.Err)
	if stderr := strings.TrimSpace(e.Stderr); stderr != "" {
		s += ": " + stderr
	}
	return s
}

func (e *CommandError) Unwrap() error { return e.Err }
