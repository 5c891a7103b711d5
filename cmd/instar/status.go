package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// statusFlags are those of status.
type statusFlags struct {
	*options
	json, watch bool
}

func statusCommand(o *options) *cobra.Command {
	flags := statusFlags{options: o}
	cmd := &cobra.Command{
		Use:   "status [UNIT…]",
		Short: "Show the generations of services, their connections and their last upgrade",
		Long: `Shows services in their own words and in those of systemd: the generation that
serves, its build and connections; older generations that still drain, and when their
last connections are closed; the sockets; the entries in systemd's file descriptor
store; the last upgrade and how long its steps took. If an upgrade has failed, the
last words of the process are added for users that may read the journal.

Without a UNIT it shows all services on the bus that show a status.

The bars show how the connections are spread over the generations.

--json prints an array with an object for each service:

  unit       "web.service"
  name       its well-known name on the bus
  problem    why there is no state, or none of systemd: it does not run, and why; it
             does not answer within three seconds; left out otherwise
  own_sockets   [{name, network, address}]: sockets that it has bound by itself, so
             that the next generation cannot; left out if there are none
  live_problems  differences between the units and the service as it runs, such as
             a .socket that was edited; left out if there are none
  state      from the service; null if it shows no status:
             generation, phase, build, version, revision, main_pid, since (when
             this generation became the main one; null if not known), connections,
             draining [{generation, pid, build, connections, deadline}],
             sockets [{name, network, address}], store {used, max},
             attempts, attempts_not_lasting, and
             upgrade {attempt, from, to {generation, pid, build}, succeeded, reason,
             began, took_seconds, steps [{phase, took_seconds}], left_behind}, null if there was none,
             unit_problems (settings of the unit that stand in the way of upgrades),
             restart_needed (settings of the unit that the service lacks until a restart)
  systemd    from systemd; null if it cannot be asked:
             load_state, active_state, sub_state, main_pid, restarts,
             need_daemon_reload, active_since, result (of the last run: "success",
             "exit-code", …), exit (how its main process ended, "" if it runs),
             status_text and status_errno (STATUS= and ERRNO= of sd_notify(3))

Times are RFC 3339, durations seconds.

--watch goes on until ctrl-C. On a terminal it redraws the view in its place;
elsewhere it prints changed services anew, with --json as one array a line.

Exit status: 1 if a UNIT does not exist or shows no status.`,
		Example: `  instar status web
  instar status --watch
  instar -H web1.example.org status --json`,
		ValidArgsFunction: o.completeUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			unitNames, err := serviceNames(args)
			if err != nil {
				return err
			}
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), unitNames)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.json, "json", false, "print JSON, for programs")
	f.BoolVarP(&flags.watch, "watch", "w", false, "go on, and show changes")
	return cmd
}

func (f statusFlags) run(ctx context.Context, stdout, stderr io.Writer, unitNames []string) error {
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	v := &view{options: f.options, site: s, units: unitNames, journal: words{options: f.options}}
	if f.watch {
		return f.follow(ctx, s, stdout, v.reports)
	}
	all, err := v.reports(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		complain(stderr, "no service on the %s bus shows its status", f.scope())
	}
	if err := f.show(stdout, all, paletteFor(stdout), new(scale)); err != nil {
		return err
	}
	for _, r := range all {
		if r.State == nil && len(unitNames) > 0 {
			return errSaid // in its report
		}
	}
	return nil
}

// show prints reports.
func (f statusFlags) show(w io.Writer, all []report, p palette, bars *scale) error {
	if f.json {
		return printJSON(w, all, !f.watch)
	}
	return printReports(w, all, time.Now(), p, bars)
}

// paletteFor is the colours for where the output goes: none but on a terminal, nor
// where NO_COLOR is set.
func paletteFor(w io.Writer) palette {
	if _, ok := terminal(w); !ok || os.Getenv("NO_COLOR") != "" {
		return palette{}
	}
	return colours
}
