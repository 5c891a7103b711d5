package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/reload"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
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
// sends the reload signal, so that a command there must not wait for the upgrade:
// 262 does, and it has ExecReloadPost=. 257 runs it beside.
const signalLast = 258

func reloadVerdict(o *options) *cobra.Command {
	flags := verdictFlags{options: o}
	cmd := &cobra.Command{
		Use:   "reload-verdict --phase=reload|post UNIT",
		Short: "Tell systemd whether the upgrade has succeeded, for ExecReload= and ExecReloadPost=",
		Long: `Exits with status 1, and prints the reason in one line, if the upgrade that systemd
waits for has failed: then systemctl reload fails as well, and the service goes on.
Exits with status 0 if it has succeeded. If the verdict is not known, it says so and
exits with status 0: an upgrade that has not failed must not be reported as failed.

For use in a unit:

  ExecReload=+/usr/bin/instar reload-verdict --phase=reload %n
  ExecReloadPost=+/usr/bin/instar reload-verdict --phase=post %n

systemd 257 and earlier run the first beside the reload signal, and ignore the second:
there the first reports the verdict. On later versions the second does, and the first
is a preflight: it makes the service ask the new build whether it could follow, and
exits with status 1 if not, which cancels the reload before anything is started.`,
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// systemctl kill and logrotate send it to every process of the unit.
			signal.Ignore(syscall.SIGHUP)
			verdict, err := flags.verdict(cmd.Context(), args[0])
			switch {
			case errors.Is(err, status.ErrRefused), errors.Is(err, status.ErrStartedAnew), errors.Is(err, errGone):
				return err
			case err != nil:
				complain(cmd.ErrOrStderr(), "the verdict of the upgrade is not known: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
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

// failure is the error that systemd gets for a verdict: nil unless the upgrade
// failed.
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
	service, err := status.Dial(ctx, status.BusAddress(f.user), name)
	if err != nil {
		return reload.Verdict{}, err
	}
	defer service.Close()
	systemd, err := f.dial(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	defer systemd.Close()
	v, err := f.ask(ctx, systemd, service)
	if err == nil && v.Err == nil || errors.Is(err, status.ErrAbsent) {
		// The last word is systemd's: no release is live without a main process.
		if now, asked := systemd.Query(ctx, unit); asked == nil && now.Load == "loaded" && now.MainPID == 0 {
			return v, errGone
		}
	}
	return v, err
}

var errGone = errors.New("the main process has gone")

// ask asks the service.
func (f verdictFlags) ask(ctx context.Context, systemd *units.Conn, service *status.Client) (reload.Verdict, error) {
	if f.phase == phasePost {
		return service.Ended(ctx)
	}
	version, err := systemd.Version(ctx)
	if err != nil {
		return reload.Verdict{}, err
	}
	if version >= signalLast {
		return reload.Verdict{}, service.Preflight(ctx)
	}
	pid, err := strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil {
		return reload.Verdict{}, fmt.Errorf("MAINPID=%q is not the PID that systemd sets for ExecReload=", os.Getenv("MAINPID"))
	}
	started, err := processStarted()
	if err != nil {
		return reload.Verdict{}, err
	}
	return service.Answer(ctx, pid, started)
}

// processStarted is when systemd forked this process, to a hundredth of a second: on
// a busy machine it may have come to run much later.
func processStarted() (time.Time, error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return time.Time{}, err
	}
	return parseStarted(string(text))
}

// parseStarted reads starttime of proc_pid_stat(5): in hundredths of a second since
// the machine was booted, for every architecture that Go knows.
func parseStarted(stat string) (time.Time, error) {
	const field, second = 22, 2 // the second one, the name, may have blanks and parentheses in it
	rest := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(rest) < field-second {
		return time.Time{}, fmt.Errorf("/proc/self/stat has no starttime: %q", stat)
	}
	ticks, err := strconv.ParseInt(rest[field-second-1], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("/proc/self/stat: starttime: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}, fmt.Errorf("clock_gettime(CLOCK_BOOTTIME): %w", err)
	}
	age := time.Duration(now.Nano()) - time.Duration(ticks)*10*time.Millisecond
	return time.Now().Add(-age), nil
}
