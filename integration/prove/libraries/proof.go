package libraries

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// Proof is make libraries.
func Proof(flags *flag.FlagSet) proof.Run {
	plan := Plan{Say: proof.Say}
	flags.IntVar(&plan.Upgrades, "upgrades", 20, "how many")
	flags.IntVar(&plan.TakeBacks, "takebacks", 5, "how many of each kind")
	return func(ctx context.Context, b *stage.Builder) error {
		proof.Say("building the servers and clients of the libraries")
		if err := Build(ctx, b); err != nil {
			return err
		}
		return proof.On(ctx, machine.V257, b, func(ctx context.Context, s *stage.Stage) error {
			report, err := Run(ctx, s, plan)
			if err != nil {
				return err
			}
			if len(report.Problems) > 0 {
				if text, err := s.Journal(context.Background(), unit); err == nil {
					fmt.Fprintln(os.Stderr, text)
				}
			}
			return proof.Conclude(os.Stdout, report, report.Problems)
		})
	}
}
