package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"

	"github.com/spf13/cobra"
)

// verdictFlags are those of reload-verdict.
type verdictFlags struct {
	*options
	phase string
	name  string
}

// The values of --phase.
const (
	phaseReload = "reload"
	phasePost   = "post"
)

// signalLast is the first version of systemd that may run ExecReload= before it
// sends the reload signal, so that what runs there must not wait for the upgrade:
// 262 does, and it has ExecReloadPost=. 257 runs it beside.
const signalLast = 258

func reloadVerdict(o *options) *cobra.Command {
	flags := verdictFlags{options: o}
	cmd := &cobra.Command{
		Use:   "reload-verdict --phase=reload|post UNIT",
		Short: "Tell systemd whether the upgrade has succeeded, for ExecReload= and ExecReloadPost=",
		Long: `Exits with status 1, and says why in one line, if the upgrade that systemd waits
for has failed: then systemctl reload fails as well, and the service goes on.
Exits with status 0 if it has succeeded, and also if there is no way to know,
which it says: an upgrade that has not failed must not be reported as failed.

For use in a unit:

  ExecReload=/usr/bin/instar reload-verdict --phase=reload %n
  ExecReloadPost=/usr/bin/instar reload-verdict --phase=post %n

The first tells the truth where systemd runs it beside the reload signal (257 and
earlier). Elsewhere the second does, which earlier versions ignore, and the first is
a preflight: it has the service ask the new build whether it could follow, and exits
with status 1 if not, which cancels the reload before anything is started.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			verdict, err := flags.verdict(cmd.Context(), args[0])
			if errors.Is(err, status.ErrRefused) {
				return err
			}
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "instar: whether the upgrade has succeeded is not known:", err)
				return nil
			}
			return failure(verdict)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.phase, "phase", "", `"reload" in ExecReload=, "post" in ExecReloadPost=`)
	f.StringVar(&flags.name, "name", "", "well-known name of the service on the bus (default: that of the unit)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.phase != phaseReload && flags.phase != phasePost {
			return fmt.Errorf("--phase=%s: want --phase=%s or --phase=%s", flags.phase, phaseReload, phasePost)
		}
		return nil
	}
	return cmd
}

// failure is what systemd is to learn of a verdict: nil unless it failed.
func failure(v reload.Verdict) error {
	if v.Attempt == 0 || v.Err == nil {
		return nil
	}
	return errors.New(v.String())
}

// verdict finds the verdict to tell. Its Attempt is 0 if there is none to be told
// in this phase. The error has status.ErrRefused if the new build could not follow.
func (f verdictFlags) verdict(ctx context.Context, unit string) (reload.Verdict, error) {
	name := f.name
	if name == "" {
		var err error
		if name, err = status.Name(unit); err != nil {
			return reload.Verdict{}, err
		}
	}
	client, err := status.Dial(ctx, status.BusAddress(f.user), name)
	if err != nil {
		return reload.Verdict{}, err
	}
	defer client.Close()
	if f.phase == phasePost {
		return client.Ended(ctx)
	}
	version, err := client.SystemdVersion(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	if version >= signalLast {
		return reload.Verdict{}, client.Preflight(ctx)
	}
	pid, err := strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil {
		return reload.Verdict{}, fmt.Errorf("MAINPID=%q is not the PID that systemd sets for ExecReload=", os.Getenv("MAINPID"))
	}
	return client.Answer(ctx, pid)
}
