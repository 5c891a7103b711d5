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

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/program"
	"github.com/instar-project/instar/integration/soak"
)

func main() {
	upgrades := flag.Int("upgrades", 1000, "how many")
	seed := flag.Uint64("seed", rand.Uint64()%1_000_000, "of the order in which the bad builds come")
	flag.Parse()
	program.Main("soak", func(ctx context.Context) error { return run(ctx, *upgrades, *seed) })
}

func run(ctx context.Context, upgrades int, seed uint64) (err error) {
	builder, err := deploy.NewBuilder()
	if err != nil {
		return err
	}
	defer builder.Close()
	program.Say("building integration/faulty %d times", len(soak.Builds()))
	binaries, err := site.Compile(ctx, builder, soak.Builds()...)
	if err != nil {
		return err
	}
	program.Say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	s, err := site.Open(ctx, machine.V257, binaries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	program.Say("%d upgrades, seed %d", upgrades, seed)
	report, err := soak.Run(ctx, soak.Config{Site: s, Port: 8081, Upgrades: upgrades, Seed: seed, Say: program.Say})
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
