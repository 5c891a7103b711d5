package main

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// journalctl is the command line that prints what the journal has of a unit: here, or
// on the other machine.
func (o *options) journalctl(unit string, args ...string) ([]string, error) {
	command := append([]string{"journalctl", "--no-pager", "--quiet", "--all"}, args...)
	if o.user {
		command = append(command, "--user", "_SYSTEMD_USER_UNIT="+unit)
	} else {
		command = append(command, "_SYSTEMD_UNIT="+unit)
	}
	if o.host == "" {
		return command, nil
	}
	d, err := parseDestination(o.host)
	if err != nil {
		return nil, err
	}
	return d.ssh(command...), nil
}

// What lastLines tells, and how long it waits for it: journald may not have read it yet.
const (
	lastLinesMost = 3
	lastLinesTry  = 100 * time.Millisecond
	lastLinesFor  = time.Second
)

// lastLines is what a process of the unit has said last, as far as the journal tells.
func (o *options) lastLines(ctx context.Context, unit string, pid int) []string {
	command, err := o.journalctl(unit, "--output=cat", "--lines="+strconv.Itoa(lastLinesMost), "_PID="+strconv.Itoa(pid))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lastLinesFor)
	defer cancel()
	for {
		said, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
		if text := strings.TrimSpace(string(said)); text != "" {
			return strings.Split(text, "\n")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lastLinesTry):
		}
		if err != nil {
			return nil // nobody may ask, or there is no journal
		}
	}
}
