// Run is make soak: a thousand upgrades on systemd 257, and a line of JSON. See
// package soak.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/soak"
)

func main() {
	upgrades := flag.Int("upgrades", 1000, "how many")
	seed := flag.Uint64("seed", rand.Uint64()%1_000_000, "of the order in which the bad builds come")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *upgrades, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, upgrades int, seed uint64) (err error) {
	builder, err := deploy.NewBuilder()
	if err != nil {
		return err
	}
	defer builder.Close()
	say("building integration/faulty %d times", len(soak.Builds()))
	binaries, err := site.Compile(ctx, builder, soak.Builds()...)
	if err != nil {
		return err
	}
	say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	s, err := site.Open(ctx, machine.V257, binaries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	say("%d upgrades, seed %d", upgrades, seed)
	report, err := soak.Run(ctx, soak.Config{Site: s, Port: 8081, Upgrades: upgrades, Seed: seed, Say: say})
	if err != nil {
		report.Problems = append(report.Problems, err.Error())
	}
	if len(report.Problems) > 0 {
		if text, err := s.Machine.Journal(context.Background(), "faulty@8081.service"); err == nil {
			fmt.Fprintln(os.Stderr, text)
		}
	}
	for _, p := range report.Problems {
		fmt.Printf("Not as it should be: %s.\n", p)
	}
	line := json.NewEncoder(os.Stdout)
	line.SetEscapeHTML(false)
	if err := line.Encode(report); err != nil {
		return err
	}
	if len(report.Problems) > 0 {
		return errors.New("not all was as it should be: see the report")
	}
	return nil
}

// say tells who waits what takes so long.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
