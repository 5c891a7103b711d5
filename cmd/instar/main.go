// Instar is the command line of services that are upgraded by systemctl reload.
//
// It has what their units need for systemctl reload to tell the truth:
//
//	[Service]
//	ExecReload=/usr/bin/instar reload-verdict --phase=reload %n
//	ExecReloadPost=/usr/bin/instar reload-verdict --phase=post %n
//
// and --user before %n in the units of a user. A systemd older than 259 ignores
// the second line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "instar:", err)
		os.Exit(1)
	}
}
