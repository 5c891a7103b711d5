package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/verdict"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// logsFlags are those of logs.
type logsFlags struct {
	*options
	lines        int
	follow, json bool
}

func logsCommand(o *options) *cobra.Command {
	flags := logsFlags{options: o}
	cmd := &cobra.Command{
		Use:   "logs UNIT",
		Short: "List the upgrades of a service that the journal has",
		Long: `Lists a service's upgrades, one a line and the last one last, from the entry that the
service writes to the journal at the end of each. It asks journalctl(1), which
shows the system's journal to root and to members of the group systemd-journal.

--json prints one object a line:

  time          when the upgrade had ended, RFC 3339
  unit          "web.service"
  attempt       the number of the upgrade since systemd has started the service
  from, to      {generation, pid, build}; the pid is 0 if no process could be
                started, and that of from if an earlier version wrote the entry
  succeeded     true or false
  reason        why it has failed, "" if it has not
  began         when it began, RFC 3339
  took_seconds  how long it took
  steps         [{phase, took_seconds}]; [] if an earlier version wrote the entry
  left_behind   what of the unit the upgrade could not bring along, a line each`,
		Example: `  instar logs web -n 5
  instar logs web --follow`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeUnits,
		PreRunE: func(*cobra.Command, []string) error {
			if flags.lines < 0 {
				return fmt.Errorf("--lines=%d: want how many of the last upgrades to list, or 0 for all", flags.lines)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			unit, err := serviceName(args[0])
			if err != nil {
				return err
			}
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), unit)
		},
	}
	f := cmd.Flags()
	f.IntVarP(&flags.lines, "lines", "n", 0, "list the last `N` upgrades (default: all)")
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on with those to come")
	f.BoolVar(&flags.json, "json", false, "print JSON, for programs")
	return cmd
}

// command is the journalctl(1) that prints the upgrades of a unit.
func (f logsFlags) command(unit string) ([]string, error) {
	args := []string{"--output=json"}
	switch {
	case f.lines > 0:
		args = append(args, "--lines="+strconv.Itoa(f.lines))
	case f.follow:
		args = append(args, "--no-tail") // not the last ten
	}
	if f.follow {
		args = append(args, "--follow")
	}
	return f.journalctl(unit, append(args, "MESSAGE_ID="+verdict.MessageID)...)
}

func (f logsFlags) run(ctx context.Context, stdout, stderr io.Writer, unit string) error {
	command, err := f.command(unit)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// As ctrl-C does it, which ends both.
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = time.Second
	cmd.Stderr = stderr
	entries, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("asking the journal: %w", err)
	}
	n, err := f.copy(stdout, entries)
	if err != nil {
		_ = cmd.Process.Kill() // fails if it has ended
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	case ended != nil:
		return fmt.Errorf("asking the journal: %s: %w", strings.Join(command, " "), ended)
	case n == 0:
		complain(stderr, "the journal has no upgrade of %s%s", unit, f.elsewhere(ctx, unit))
	}
	return nil
}

// elsewhere is the end of a sentence on a service that may not log to the journal.
func (f logsFlags) elsewhere(ctx context.Context, unit string) string {
	const unknown = "; a service with StandardError= to a file has the verdicts there"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	systemd, err := f.dial(ctx)
	if err != nil {
		return unknown
	}
	defer systemd.Close()
	switch now, err := systemd.Query(ctx, unit); {
	case err != nil:
		return unknown
	case now.Load != "loaded", slices.Contains([]string{"journal", "journal+console", "syslog", "kmsg"}, now.Stderr):
		return ""
	default:
		return fmt.Sprintf("; its standard error goes elsewhere (%s), and the verdicts with it", now.Stderr)
	}
}

// copy prints each entry that it reads, and says how many.
func (f logsFlags) copy(w io.Writer, entries io.Reader) (n int, err error) {
	r := bufio.NewReader(entries)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			e, err := parseEntry(line)
			if err != nil {
				return n, err
			}
			if err := f.print(w, e); err != nil {
				return n, err
			}
			n++
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (f logsFlags) print(w io.Writer, e logEntry) error {
	if f.json {
		return printJSON(w, e, false)
	}
	_, err := fmt.Fprintln(w, e)
	return err
}
