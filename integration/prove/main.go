// Prove runs a proof on real systemd, in throw-away machines:
//
//	go run ./prove NAME [FLAGS]
//
// Each is a package in a folder beside this file, named as the proof is, and has a make
// target. See package proof for its output and exit status.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/prove/cli"
	"github.com/instar-project/instar/integration/prove/core"
	"github.com/instar-project/instar/integration/prove/demo"
	"github.com/instar-project/instar/integration/prove/faults"
	"github.com/instar-project/instar/integration/prove/h2idle"
	"github.com/instar-project/instar/integration/prove/libraries"
	"github.com/instar-project/instar/integration/prove/soak"
	"github.com/instar-project/instar/integration/prove/store"
	"github.com/instar-project/instar/integration/stage"
)

var proofs = []struct {
	name, about string
	proof       func(*flag.FlagSet) proof.Run
}{
	{"demo", "an upgrade under load, live in the terminal", demo.Proof},
	{"store", "the store when every process dies", store.Proof},
	{"cli", "the command line sets up working services and tells the truth", cli.Proof},
	{"faults", "every fault at every step of an upgrade", faults.Proof},
	{"soak", "1,000 upgrades in a row", soak.Proof},
	{"h2idle", "upgrades under idle connections of HTTP/2", h2idle.Proof},
	{"libraries", "upgrades under the clients of other people's libraries", libraries.Proof},
	{"core", "the cost of Instar, as ratios", core.Proof},
}

func main() {
	if len(os.Args) > 1 {
		for _, p := range proofs {
			if p.name == os.Args[1] {
				os.Exit(prove(p.name, p.proof, os.Args[2:]))
			}
		}
	}
	fmt.Fprintln(os.Stderr, "usage: go run ./prove NAME [FLAGS], of these names:")
	for _, p := range proofs {
		fmt.Fprintf(os.Stderr, "  %-9s %s\n", p.name, p.about)
	}
	os.Exit(2)
}

// prove runs one proof until it is done, or interrupted; a second signal ends it at once.
func prove(name string, of func(*flag.FlagSet) proof.Run, args []string) (status int) {
	flags := flag.NewFlagSet("prove "+name, flag.ExitOnError)
	run := of(flags)
	flags.Parse(args) // exits if it fails
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	builder, err := stage.NewBuilder()
	if err == nil {
		err = errors.Join(run(ctx, builder), builder.Close())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}
