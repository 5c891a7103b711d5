package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// limit bounds one version, the building of its image included.
const limit = 8 * time.Minute

// Proof is make store.
func Proof(*flag.FlagSet) proof.Run { return run }

func run(ctx context.Context, b *stage.Builder) error {
	versions, err := machine.Wanted()
	if err != nil {
		return err
	}
	r := report{Proof: "store"}
	for _, v := range versions {
		p, err := prove(ctx, b, v)
		if proof.NotRun(err) {
			p.NotRun = err.Error()
		}
		r.problems.Expect(err == nil, "systemd %s: %v", v, err)
		r.Versions = append(r.Versions, p)
	}
	r.judge()
	return r.conclude(os.Stdout)
}

// prove does everything on one version. Measurements before an error are kept.
func prove(ctx context.Context, b *stage.Builder, v machine.Version) (p shown, err error) {
	p.Systemd = string(v)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes more than %v", limit))
	defer cancel()
	err = proof.On(ctx, v, b, func(ctx context.Context, s *stage.Stage) (err error) {
		p.Systemd = s.Image().Systemd
		if p.Chat, err = tellStory(ctx, s); err != nil {
			return fmt.Errorf("chat: %w", err)
		}
		if p.Parking, err = measureParking(ctx, s); err != nil {
			return fmt.Errorf("parking: %w", err)
		}
		if p.Rates, err = measureRates(ctx, s.Machine); err != nil {
			return fmt.Errorf("rates: %w", err)
		}
		return nil
	})
	return p, err
}
