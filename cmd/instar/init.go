package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/instar-project/instar/cmd/instar/internal/setup"
	"github.com/instar-project/instar/internal/limits"
	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// initFlags are those of init.
type initFlags struct {
	*options
	exec                                            string
	listen                                          []string
	description, account                            string
	outbound                                        bool
	store                                           int
	readyTimeout, drainTimeout, probation, watchdog time.Duration
	set                                             []string
	dir, helper                                     string
	systemd                                         int
	force, dryRun, json                             bool
}

func initCommand(o *options) *cobra.Command {
	flags := &initFlags{options: o}
	cmd := &cobra.Command{
		Use:   "init [NAME] --exec=COMMAND --listen=[FDNAME=]ADDRESS…",
		Short: "Write the unit files of a service",
		Long: `Writes NAME.service and its .socket units, with everything that an upgrade by
systemctl reload needs and a tight sandbox. A system service also gets the files that
let it show its status on the bus: a D-Bus policy, and a user in sysusers.d(5). Then
init makes systemd and the bus read them. An existing file that differs stays as it
is, and init shows the difference; --force replaces it. The first line of each unit
is the command that has made it.

Without NAME, the service has the name of the program. Findings of verify, about a
systemd that is too old or a line of --set, are printed on stderr.

ADDRESS is a port, HOST:PORT, the path of a Unix socket, or "@" and an abstract
one, after "udp:", "datagram:" or "seqpacket:" if it is not for streams. FDNAME is
the name by which the service asks for the socket; if none is given, that of the
port's protocol, or the last element of the path. Addresses of one name are one
socket unit: NAME.socket for the first name, NAME-FDNAME.socket for any other.

The sandbox keeps out everything that the flags do not ask for:

  a connection, or a socket that does not come from systemd, fails with "address
  family not supported": give --outbound
  no folder can be written: give --set=StateDirectory=NAME, which the program finds
  as $STATE_DIRECTORY
  a file that root alone may read, such as a key: give
  --set=LoadCredential=FILE:PATH, which the program finds as
  $CREDENTIALS_DIRECTORY/FILE

The service runs as a user of its name, which must not exist yet. Services of one
--account may take each other's name on the bus, and answer for each other's
upgrades: give each an account of its own.

--json prints an object: files [{path, state ("written", "replaced" or
"unchanged")}], commands (that have been run), next (to be run) and fdnames (that the
program asks for), with --dry-run files [{path, text}].`,
		Example: `  instar init --exec=/opt/web/web --listen=8080
  instar init web --exec='/opt/web/web --verbose' --listen=http=80 --listen=admin=/run/web-admin.sock
  instar init resolver --exec=/opt/resolver/resolver --listen=udp:53 --listen=53 --outbound
  instar init --user --exec=$HOME/bin/web --listen=8080`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return flags.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.exec, "exec", "", "the `COMMAND` that systemd starts, with an absolute path (ExecStart=)")
	f.StringArrayVar(&flags.listen, "listen", nil, "an `[FDNAME=]ADDRESS` to listen on; may be repeated")
	f.StringVar(&flags.description, "description", "", "one line of `TEXT` about the service (default: its name)")
	f.StringVar(&flags.account, "account", "", "run as this existing `USER` (default: one of the service's name, with DynamicUser=yes)")
	f.BoolVar(&flags.outbound, "outbound", false, "the service opens network connections of its own")
	f.IntVar(&flags.store, "store", 0, "how many `ENTRIES` systemd keeps for the service (FileDescriptorStoreMax=)")
	f.DurationVar(&flags.readyTimeout, "ready-timeout", limits.ReadyTimeout, "`TIME` that a successor may take to initialise, as in reload.Config")
	f.DurationVar(&flags.drainTimeout, "drain-timeout", limits.DrainTimeout, "`TIME` that a predecessor may take to drain, as in reload.Config")
	f.DurationVar(&flags.probation, "probation", 0, "`TIME` that a successor must prove itself for, as in reload.Config")
	f.DurationVar(&flags.watchdog, "watchdog", 0, "`TIME` after which a generation that hangs is restarted (WatchdogSec=)")
	f.StringArrayVar(&flags.set, "set", nil, "a further line `DIRECTIVE=VALUE` of [Service]; may be repeated")
	f.StringVar(&flags.dir, "dir", "", "write all files into `FOLDER`, and say how to install them")
	f.StringVar(&flags.helper, "helper", "", "`PATH` of the instar that answers for an upgrade; \"none\" for none (default: this one)")
	f.IntVar(&flags.systemd, "systemd", 0, "major `VERSION` that is to run the service (default: the one installed)")
	f.BoolVar(&flags.force, "force", false, "replace files that differ")
	f.BoolVar(&flags.dryRun, "dry-run", false, "print the files, and write nothing")
	f.BoolVar(&flags.json, "json", false, "print JSON")
	cmd.PreRunE = func(*cobra.Command, []string) error { return flags.check() }
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	_ = cmd.MarkFlagFilename("exec")
	_ = cmd.MarkFlagDirname("dir")
	return cmd
}

// check finds mistakes that do not depend on the system.
func (f *initFlags) check() error {
	switch {
	case f.host != "":
		return fmt.Errorf("init writes files of this machine: run ssh %s instar init …", f.host)
	case f.exec == "":
		return errors.New("which program? Give --exec=/absolute/path")
	case len(f.listen) == 0:
		return errors.New("where does it listen? Give --listen=PORT, or --listen=FDNAME=ADDRESS")
	}
	return nil
}

func (f *initFlags) run(cmd *cobra.Command, args []string) error {
	config, err := f.config(cmd.Context(), args)
	if err != nil {
		return err
	}
	config.Command = f.again(cmd, args)
	files, err := setup.Plan(config)
	switch {
	case errors.Is(err, units.ErrInvalid), errors.Is(err, setup.ErrNoUser), errors.Is(err, status.ErrNoName):
		return misuse(err)
	case err != nil:
		return err
	}
	if f.dir == "" { // else it is for another machine
		if err := config.CheckAccount(cmd.Context()); err != nil {
			return err
		}
		for _, other := range config.SharingAccount() {
			complain(cmd.ErrOrStderr(), "%s may own the name of %s on the bus as well, and each may answer for the other's upgrades: give each an account of its own",
				config.Service.Account, other)
		}
	}
	f.warn(cmd, config, files)
	if f.dryRun {
		return f.print(cmd, files)
	}
	return f.install(cmd, config.Service, files)
}

// again is the command line that makes the same files again.
func (f *initFlags) again(cmd *cobra.Command, args []string) string {
	command := append([]string{"instar", "init"}, args...)
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "dir", "dry-run", "force", "json":
			return
		}
		values := []string{flag.Value.String()}
		if several, ok := flag.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		for _, value := range values {
			if flag.Value.Type() == "bool" && value == "true" {
				command = append(command, "--"+flag.Name)
			} else {
				command = append(command, "--"+flag.Name+"="+value)
			}
		}
	})
	return shell(command...)
}

// warn prints verify's findings: a systemd that is too old, and lines that --set has
// added.
func (f *initFlags) warn(cmd *cobra.Command, c setup.Config, files []setup.File) {
	var pair units.Pair
	for _, file := range files {
		switch u := units.Parse(filepath.Base(file.Place), "", file.Text); filepath.Ext(file.Place) {
		case ".service":
			pair.Service = u
		case ".socket":
			pair.Sockets = append(pair.Sockets, u)
		}
	}
	for _, finding := range units.Verify(pair, units.Options{
		ReadyTimeout: f.readyTimeout, DrainTimeout: f.drainTimeout, Probation: f.probation,
		Store: f.store, Systemd: c.Systemd, Root: os.DirFS("/"),
	}) {
		complain(cmd.ErrOrStderr(), "%v", finding)
	}
}

// config makes a configuration of the flags, and infers the rest.
func (f *initFlags) config(ctx context.Context, args []string) (setup.Config, error) {
	argv := units.Words(f.exec)
	if len(argv) == 0 {
		return setup.Config{}, misuse(fmt.Errorf("--exec=%q: which program?", f.exec))
	}
	name := filepath.Base(argv[0])
	if len(args) > 0 {
		name = strings.TrimSuffix(args[0], ".service")
	}
	sockets, err := setup.Sockets(f.listen)
	if err != nil {
		return setup.Config{}, misuse(err)
	}
	var settings []units.Setting
	for _, line := range f.set {
		directive, value, ok := strings.Cut(line, "=")
		if !ok {
			return setup.Config{}, misuse(fmt.Errorf("--set=%s: want --set=DIRECTIVE=VALUE", line))
		}
		settings = append(settings, units.Setting{Name: directive, Value: value})
	}
	c := setup.Config{
		Service: units.Service{
			Name: name, Description: f.description, ExecStart: argv, Sockets: sockets, Scope: f.scope(),
			ReadyTimeout: f.readyTimeout, DrainTimeout: f.drainTimeout, Probation: f.probation, Watchdog: f.watchdog,
			Store: f.store, Account: f.account, Outbound: f.outbound, Settings: settings,
		},
		Helper:  f.helper,
		Systemd: f.systemd,
		Apart:   f.dir,
	}
	switch c.Helper {
	case "none":
		c.Helper = ""
	case "":
		if c.Helper, err = os.Executable(); err != nil {
			return setup.Config{}, fmt.Errorf("where is this program? Give --helper=PATH: %w", err)
		}
	}
	if c.Systemd == 0 {
		// Without one, the units suit every version.
		c.Systemd, _ = units.InstalledVersion(ctx, nil)
	}
	c.Units, err = unitFolder(f.scope())
	return c, err
}

// unitFolder is where unit files belong that an administrator, or the user, writes.
func unitFolder(scope units.Scope) (string, error) {
	if scope == units.System {
		return "/etc/systemd/system", nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where are the units of the user? %w", err)
	}
	return filepath.Join(config, "systemd", "user"), nil
}

// print shows the files as systemctl cat would.
func (f *initFlags) print(cmd *cobra.Command, files []setup.File) error {
	if f.json {
		report := initReport{Files: []initFile{}}
		for _, file := range files {
			report.Files = append(report.Files, initFile{Path: file.Path, Text: file.Text})
		}
		return printJSON(cmd.OutOrStdout(), report, true)
	}
	for i, file := range files {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		fmt.Fprintf(cmd.OutOrStdout(), "# %s\n%s", file.Path, file.Text)
	}
	return nil
}

// booted reports whether systemd runs this machine: see sd_booted(3).
func booted() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// command runs one of setup.File.Then; its output goes to stderr.
func command(cmd *cobra.Command, argv []string) error {
	c := exec.CommandContext(cmd.Context(), argv[0], argv[1:]...)
	c.Stdout, c.Stderr = cmd.ErrOrStderr(), cmd.ErrOrStderr()
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}
