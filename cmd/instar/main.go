// Instar is the command line of services that are upgraded by systemctl reload:
//
//	init      writes the unit files of a service, and those that let it on the bus
//	verify    finds settings of a service's units that get in the way of upgrades
//	status    shows generations, connections and the last upgrade
//	upgrade   reloads services, follows them and prints the verdicts
//	fds       lists the entries of a service's file descriptor store
//	logs      lists the upgrades that the journal has
//
// It has flags, output and exit statuses and nothing else: the work is in packages
// units and status, and in internal/setup. A command is a file of that name and
// those whose names begin so; root.go has the flags of all, exit.go the exit
// statuses, remote.go and dial.go the way to another machine (-H), complete.go the
// completion, and internal/manpage the man pages. testdata/script pins the output.
//
// For systemctl reload to tell the truth, a hidden command is in the units:
//
//	[Service]
//	ExecReload=+/usr/bin/instar reload-verdict --phase=reload %n
//	ExecReloadPost=+/usr/bin/instar reload-verdict --phase=post %n
//
// and --user before %n in the units of a user. A systemd older than 259 warns of the
// second line and ignores it; init writes the one that is for the systemd there.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	status := run(ctx, root())
	stop()
	os.Exit(status)
}

// run runs a command line and returns its exit status. Each error is one line on
// stderr.
func run(ctx context.Context, cmd *cobra.Command) int {
	err := cmd.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSaid) {
		complain(cmd.ErrOrStderr(), "%v", err)
	}
	return exitStatus(err)
}
