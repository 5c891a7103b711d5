package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	exitFailed = 1 // the task has failed, or verify has found an error
	exitMisuse = 2 // nothing has been done: the command line makes no sense
)

// errSaid is the error of a command that has said all there is to say: main adds
// nothing to it.
var errSaid = errors.New("said already")

// misuse marks an error as one of the command line.
func misuse(err error) error {
	if err == nil {
		return nil
	}
	return misuseError{err}
}

type misuseError struct{ error }

func (e misuseError) Unwrap() error { return e.error }

// exitStatus is the exit status of a process that ends with err.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(misuseError)):
		return exitMisuse
	}
	return exitFailed
}

// misuses marks errors in flags and arguments as misuse, for a command and all
// below it. cobra finds some; PreRunE finds the others, since a command makes all
// checks there that have no effect.
func misuses(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return misuse(hint(cmd, err))
	})
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return misuse(hint(cmd, err))
			}
			return nil
		}
	}
	if check := cmd.PreRunE; check != nil {
		cmd.PreRunE = func(cmd *cobra.Command, args []string) error { return misuse(check(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		misuses(sub)
	}
}

// hint adds how the command is called to an error about its arguments.
func hint(cmd *cobra.Command, err error) error {
	return errors.New(strings.TrimSuffix(err.Error(), ".") + "; usage: " + cmd.UseLine())
}
