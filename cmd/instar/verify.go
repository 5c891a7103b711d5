package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/instar-project/instar/internal/limits"
	"github.com/instar-project/instar/internal/units"

	"github.com/spf13/cobra"
)

// verifyFlags are those of verify.
type verifyFlags struct {
	*options
	live, strict, list, json, noAnalyze   bool
	fix, dryRun                           bool
	readyTimeout, drainTimeout, probation time.Duration
	store, systemd                        int
	helper                                string
}

func verifyCommand(o *options) *cobra.Command {
	flags := &verifyFlags{options: o}
	cmd := &cobra.Command{
		Use:   "verify UNIT|FILE…",
		Short: "Find settings of a service's units that get in the way of upgrades",
		Long: `Checks services and their sockets, made by init or by hand, and prints a line for
each setting that gets in the way of upgrades: where it is, how bad, why, the line to
write instead, and where to read on. The findings of systemd-analyze verify on the
same files are included.

A FILE is an existing file with a "/" or the suffix of a unit in its name; verify
looks for the units that belong to it in its folder. It looks for a UNIT where systemd
does, or with --live, and on another machine, in the running systemd.

With --live verify also reports differences between the units and the service since
its start: a .socket that was edited, the path of a socket that is gone, a store that
was taken away, a socket that the service has bound by itself (for that, run it as
root, and on the machine itself).

--fix writes a drop-in, zz-instar.conf, beside each unit that a line cures: in the
folder of the FILE, or in that of the administrator's units. It shows the differences
first, makes systemd read them, and then prints the remaining findings. With --dry-run
it shows the differences, and writes nothing.

An error means that upgrades do not work, or lose something; a warning, that they work
until something else goes wrong; a hint, that they work and could be better.

--json prints an array of findings: rule, severity, unit, file and line (if it is a
line of a file), section, directive, reason, write (instead) and man; with --list of
rules: rule, severity, wants and man.

Exit status: 1 if there is an error, or with --strict a warning.`,
		Example: `  instar verify web
  instar verify ./web.service
  instar verify --live --strict web
  instar verify --fix --dry-run web
  instar verify --list`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			names, _ := o.completeUnits(cmd, args, typed)
			return names, cobra.ShellCompDirectiveDefault // and files
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.list {
				return flags.printRules(cmd)
			}
			return flags.run(cmd, args)
		},
	}
	cmd.PreRunE = func(*cobra.Command, []string) error { return flags.checkFix() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if flags.list {
			return cobra.NoArgs(cmd, args)
		}
		return cobra.MinimumNArgs(1)(cmd, args)
	}
	f := cmd.Flags()
	f.BoolVar(&flags.live, "live", false, "look at the units as the running systemd has them")
	f.BoolVar(&flags.fix, "fix", false, "write drop-ins that cure the findings that a line can cure")
	f.BoolVar(&flags.dryRun, "dry-run", false, "with --fix: show the drop-ins, and write nothing")
	f.BoolVar(&flags.strict, "strict", false, "exit with 1 on warnings as well")
	f.BoolVar(&flags.list, "list", false, "list the rules")
	f.BoolVar(&flags.noAnalyze, "no-analyze", false, "leave systemd-analyze verify out")
	f.DurationVar(&flags.readyTimeout, "ready-timeout", limits.ReadyTimeout, "`TIME` that a successor may take to initialise, as in reload.Config")
	f.DurationVar(&flags.drainTimeout, "drain-timeout", limits.DrainTimeout, "`TIME` that a predecessor may take to drain, as in reload.Config")
	f.DurationVar(&flags.probation, "probation", 0, "`TIME` that a successor must prove itself for, as in reload.Config")
	f.IntVar(&flags.store, "store", 0, "how many `ENTRIES` the service wants systemd to keep")
	f.IntVar(&flags.systemd, "systemd", 0, "major `VERSION` that is to run the units (default: the one there)")
	f.StringVar(&flags.helper, "helper", "", "`PATH` of the instar that is to answer for upgrades (default: with --fix this one)")
	f.BoolVar(&flags.json, "json", false, "print JSON")
	return cmd
}

func (f *verifyFlags) run(cmd *cobra.Command, args []string) error {
	targets, version, err := f.targets(cmd.Context(), args)
	if err != nil {
		return err
	}
	options := units.Options{
		ReadyTimeout: f.readyTimeout, DrainTimeout: f.drainTimeout, Probation: f.probation,
		Store: f.store, Systemd: version, Root: f.root(), Helper: f.helper,
	}
	if f.fix && f.helper == "" {
		if options.Helper, err = os.Executable(); err != nil {
			return fmt.Errorf("where is this program? Give --helper=PATH: %w", err)
		}
	}
	if f.fix {
		for _, t := range targets {
			if err := f.cure(cmd, t, options); err != nil {
				return err
			}
		}
		if targets, _, err = f.targets(cmd.Context(), args); err != nil {
			return err
		}
	}
	var findings []units.Finding
	for _, t := range targets {
		said, err := f.analyze(cmd, t)
		if err != nil {
			return err
		}
		findings = append(findings, units.Merge(units.Verify(t.pair, options), said)...)
	}
	if err := f.print(cmd, targets, findings); err != nil {
		return err
	}
	worst := units.Error
	if f.strict {
		worst = units.Warning
	}
	if slices.ContainsFunc(findings, func(found units.Finding) bool { return found.Severity >= worst }) {
		return errSaid
	}
	return nil
}

// root is the file system of the machine where the units are, as far as it can be
// looked at.
func (f *verifyFlags) root() fs.FS {
	if f.host != "" {
		return nil
	}
	return os.DirFS("/")
}

// analyze has systemd-analyze look at a service's files, where they are.
func (f *verifyFlags) analyze(cmd *cobra.Command, t target) ([]units.Finding, error) {
	if f.noAnalyze || len(t.files) == 0 {
		return nil, nil
	}
	findings, err := units.Analyze(cmd.Context(), f.runner(), f.scope(), t.files...)
	if errors.Is(err, units.ErrNoAnalyze) {
		complain(cmd.ErrOrStderr(), "systemd-analyze is not installed: its findings are left out")
		return nil, nil
	}
	return findings, err
}

func (f *verifyFlags) print(cmd *cobra.Command, targets []target, findings []units.Finding) error {
	if f.json {
		list := []jsonFinding{}
		for _, found := range findings {
			list = append(list, jsonFinding(found))
		}
		return printJSON(cmd.OutOrStdout(), list, true)
	}
	out := cmd.OutOrStdout()
	for _, found := range findings {
		fmt.Fprintln(out, plain(found.String())) // it may quote the service
	}
	if len(findings) == 0 {
		for _, t := range targets {
			fmt.Fprintf(out, "%s: nothing to say\n", t.pair.Service.Name)
		}
	}
	return nil
}

// jsonFinding is a finding as --json shows it: units.Finding with the keys of JSON.
type jsonFinding struct {
	Rule      string         `json:"rule"`
	Severity  units.Severity `json:"severity"`
	Unit      string         `json:"unit"`
	File      string         `json:"file,omitempty"`
	Line      int            `json:"line,omitempty"`
	Section   string         `json:"section,omitempty"`
	Directive string         `json:"directive,omitempty"`
	Reason    string         `json:"reason"`
	Write     string         `json:"write,omitempty"`
	Man       string         `json:"man,omitempty"`
}

// printRules lists the rules.
func (f *verifyFlags) printRules(cmd *cobra.Command) error {
	type rule struct {
		ID       string         `json:"rule"`
		Severity units.Severity `json:"severity"`
		Summary  string         `json:"wants"`
		Man      string         `json:"man"`
	}
	var rules []rule
	for _, r := range units.Rules() {
		rules = append(rules, rule{r.ID, r.Severity, r.Summary, r.Man})
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), rules, true)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, r := range rules {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.ID, r.Severity, r.Summary, r.Man)
	}
	return table.Flush()
}

// runner runs commands where the units are; nil: here.
func (f *verifyFlags) runner() units.Runner {
	if f.host == "" {
		return nil
	}
	return func(ctx context.Context, name string, args ...string) *exec.Cmd {
		d, err := parseDestination(f.host)
		argv := d.ssh(append([]string{name}, args...)...)
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		if err != nil {
			cmd.Err = err // Run then returns it
		}
		return cmd
	}
}
