// Package program is what the proofs, each a make target of its own, have in common as
// programs: how they end, what they tell whoever waits, and a machine for a while.
// A report is for standard output, with one JSON object in its last line; all else
// goes to standard error.
package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/instar-project/instar/integration/machine"
)

// Main runs a program until it is done, or interrupted, and exits with status 1 if it
// has failed.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Say tells who waits what takes so long.
func Say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// OnMachine boots a machine of that version for do, within limit, the building of its
// image included.
func OnMachine(ctx context.Context, v machine.Version, limit time.Duration, do func(context.Context, *machine.Machine) error) (err error) {
	Say("systemd %s: booting (the first time its image is built, which takes a minute)", v)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes more than %v", limit))
	defer cancel()
	m, err := machine.Boot(ctx, v, machine.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return do(ctx, m)
}
