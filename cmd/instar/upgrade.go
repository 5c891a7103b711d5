package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// upgradeFlags are those of upgrade.
type upgradeFlags struct {
	*options
	timeout         time.Duration
	allDrainingDone bool
	noPreflight     bool
}

func upgradeCommand(o *options) *cobra.Command {
	flags := upgradeFlags{options: o}
	cmd := &cobra.Command{
		Use:   "upgrade UNIT…",
		Short: "Upgrade services, follow them, and print the verdicts",
		Long: `Upgrades services, one after the other, by a reload of their units, as systemctl
reload does. Each service first asks its new binary whether it could take over
(preflight). The command follows the phases on stderr, and prints the verdict, one
line a unit. An upgrade that fails leaves the service as it was: the line has the
reason, and stderr the last lines of the new process, from the journal. The other
units are upgraded all the same.

The verdict comes from the service, by D-Bus. If a service shows no status, the
command only knows from systemd whether the reload succeeded. The words of a new
process that fails are in the journal alone, for root and the group systemd-journal;
other users get the kind of failure.

--timeout bounds the wait for each unit. An upgrade that has begun goes on after it.

Exit status: 0 if every upgrade has succeeded; 1 if one has not, or if it is not
known; with --all-draining-done also if an older generation has not exited.`,
		Example: `  instar upgrade web
  instar upgrade web@1 web@2 --timeout=2m --all-draining-done`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: o.completeUnits,
		PreRunE: func(*cobra.Command, []string) error {
			if flags.timeout < 0 {
				return fmt.Errorf("--timeout=%v: want a duration such as 90s, or 0 for as long as it takes", flags.timeout)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			unitNames, err := serviceNames(args)
			if err != nil {
				return err
			}
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), unitNames)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&flags.timeout, "timeout", 0, "how long to wait for each unit, such as 90s (default: as long as it takes)")
	f.BoolVar(&flags.allDrainingDone, "all-draining-done", false, "wait until every older generation has exited")
	f.BoolVar(&flags.noPreflight, "no-preflight", false, "start the new binary without asking it first")
	return cmd
}

func (f upgradeFlags) run(ctx context.Context, stdout, stderr io.Writer, unitNames []string) error {
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	failed := 0
	for i, unit := range unitNames {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted; not upgraded: %v", unitNames[i:])
		}
		u := &upgrade{site: s, unit: unit, flags: f, tell: &progress{w: stderr, unit: unit}}
		line, err := u.run(ctx)
		u.tell.end()
		if line != "" {
			fmt.Fprintf(stdout, "%s: %s\n", unit, plain(line))
		}
		if err != nil {
			failed++
		}
		if err != nil && !errors.Is(err, errSaid) {
			complain(stderr, "%s: %v", unit, err)
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(unitNames) > 1:
		return fmt.Errorf("%d of %d upgrades have not succeeded", failed, len(unitNames))
	}
	return errSaid
}
