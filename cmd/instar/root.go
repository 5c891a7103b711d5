package main

import (
	"fmt"

	"github.com/instar-project/instar/internal/units"

	"github.com/spf13/cobra"
)

// options are the flags that every command has.
type options struct {
	user bool   // ask the manager of the current user
	host string // "[USER@]HOST" to work on, by ssh(1); "" is this machine
}

// scope says whose systemd is meant.
func (o *options) scope() units.Scope {
	if o.user {
		return units.User
	}
	return units.System
}

// root is the command line as a whole.
func root() *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:     "instar COMMAND",
		Short:   "Services that are upgraded by systemctl reload",
		Version: buildVersion(),
		Long: `Instar sets up, checks, upgrades and shows services that systemctl reload
upgrades: a new version takes over from the old one without a refused
connection or a dropped request.

UNIT is the name of a service, with or without ".service".

Exit status: 0 done; 1 it has failed, or verify has found an error; 2 the arguments
make no sense, and it has done nothing.`,
		Args:              cobra.ArbitraryArgs, // so that RunE can name the wrong ones
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misuse(fmt.Errorf("there is no command %q; see instar --help", args[0]))
			}
			cmd.SetOut(cmd.ErrOrStderr())
			if err := cmd.Help(); err != nil {
				return err
			}
			return misuse(errSaid)
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if o.host == "" {
				return nil
			}
			_, err := parseDestination(o.host)
			return err
		},
		// main prints the one line that there is to say.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	f := cmd.PersistentFlags()
	f.BoolVar(&o.user, "user", false, "work on the units of the user, not the system's")
	f.StringVarP(&o.host, "host", "H", "", "work on another machine, `[USER@]HOST`, by ssh")
	cmd.AddCommand(
		initCommand(o),
		verifyCommand(o),
		statusCommand(o),
		upgradeCommand(o),
		fdsCommand(o),
		logsCommand(o),
		reloadVerdict(o),
		manCommand(),
	)
	cmd.SetVersionTemplate("instar {{.Version}}\n")
	cmd.SetUsageTemplate(usageTemplate)
	completions(cmd)
	misuses(cmd)
	return cmd
}
