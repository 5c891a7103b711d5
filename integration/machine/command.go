package machine

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// environment is the environment of a command in a machine.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8",
	"SYSTEMD_COLORS=0",
	"SYSTEMD_PAGER=",
}

// Command returns a command that runs as root inside the machine: in all its
// namespaces, by nsenter(1), with a short environment of its own. It ends with
// the machine at the latest. When ctx is done, it and its process group are killed.
//
// The caller may set Env, Stdin, Stdout and Stderr, but not SysProcAttr or Cancel.
func (m *Machine) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	argv := append([]string{"--target", strconv.Itoa(m.leader), "--all", "--", name}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", argv...)
	cmd.Env = slices.Clone(environment)
	cgroup := int(m.commands.Fd())
	if cgroup < 0 {
		cmd.Err = ErrClosed // Start and Run then return it
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: cgroup}
	killGroup(cmd)
	return cmd
}

// killGroup makes the end of the command's context end its children too: nsenter is
// only the parent of the process that does the work.
func killGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
}

// Run runs a command inside the machine, as Command has it, and returns its stdout.
// The error is a *CommandError, with its stderr.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (stdout string, err error) {
	return run(ctx, m.name, m.Command(ctx, name, args...), append([]string{name}, args...))
}

// run runs cmd. where and command are for the error: the caller's words rather
// than the nsenter that brings them there.
func run(ctx context.Context, where string, cmd *exec.Cmd, command []string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return stdout.String(), &CommandError{Where: where, Command: command, Stderr: stderr.String(), Err: err}
	}
	return stdout.String(), nil
}

// Journal returns the machine's journal of a system unit since boot, with
// everything that the unit has written so far.
func (m *Machine) Journal(ctx context.Context, unit string) (string, error) {
	return m.System().Journal(ctx, unit)
}

// SyncJournal returns when all that was logged before it is in the journal.
func (m *Machine) SyncJournal(ctx context.Context) error {
	_, err := m.Run(ctx, "journalctl", "--sync")
	return err
}

// Log returns the warnings and errors of the whole machine since boot, for a
// test that has failed.
func (m *Machine) Log(ctx context.Context) (string, error) {
	text, err := m.Run(ctx, "journalctl", "--boot", "--no-pager", "--output=short-monotonic", "--priority=warning")
	return strings.TrimSpace(text), err
}
