package soak

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// Proof is make soak.
func Proof(flags *flag.FlagSet) proof.Run {
	upgrades := flags.Int("upgrades", 1000, "how many")
	seed := flags.Uint64("seed", rand.Uint64()%1_000_000, "of the order in which the bad builds come")
	return func(ctx context.Context, b *stage.Builder) error {
		return proof.On(ctx, machine.V257, b, func(ctx context.Context, there *stage.Stage) error {
			proof.Say("building integration/faulty %d times", len(Builds()))
			s, err := site.Install(ctx, there, Builds()...)
			if err != nil {
				return err
			}
			proof.Say("%d upgrades, seed %d", *upgrades, *seed)
			report, err := Run(ctx, Config{Site: s, Port: 8081, Upgrades: *upgrades, Seed: *seed, Say: proof.Say})
			if err != nil {
				report.Problems.Add("%v", err)
			}
			if len(report.Problems) > 0 {
				if text, err := s.Journal(context.Background(), "faulty@8081.service"); err == nil {
					fmt.Fprintln(os.Stderr, text)
				}
			}
			return proof.Conclude(os.Stdout, report, report.Problems)
		})
	}
}
