package main

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// journalctl is the command line that prints a unit's entries of the journal: here,
// or on the other machine.
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

// How many lines lastLines tells, of how many, and how long it waits for them: journald
// may not have read them yet.
const (
	lastLinesMost = 3
	lastLinesOf   = 200
	lastLinesTry  = 100 * time.Millisecond
	lastLinesFor  = time.Second
)

// lastLines returns the last lines of a process of the unit, if the journal has them.
func (o *options) lastLines(ctx context.Context, unit string, pid int) []string {
	ctx, cancel := context.WithTimeout(ctx, lastLinesFor)
	defer cancel()
	for {
		said, err := o.said(ctx, unit, pid)
		if len(said) > 0 || err != nil {
			return said // there are none, or no journal, or no right to read it
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lastLinesTry):
		}
	}
}

// said is lastLines without the wait.
func (o *options) said(ctx context.Context, unit string, pid int) ([]string, error) {
	command, err := o.journalctl(unit, "--output=cat", "--lines="+strconv.Itoa(lastLinesOf), "_PID="+strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return nil, err
	}
	return telling(strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })), nil
}

// telling are the lines that tell why a process has ended: the last ones, or, of a Go
// program that has crashed, the first ones of that.
func telling(lines []string) []string {
	for i, line := range lines {
		if crashes(line) {
			return lines[i:min(i+lastLinesMost, len(lines))]
		}
	}
	return lines[max(0, len(lines)-lastLinesMost):]
}

// crashes reports whether a Go program crashes with this line.
func crashes(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}
