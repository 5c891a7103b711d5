package cli

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
const limit = 6 * time.Minute

// Proof is make cli.
func Proof(*flag.FlagSet) proof.Run { return run }

func run(ctx context.Context, b *stage.Builder) error {
	versions, err := machine.Wanted()
	if err != nil {
		return err
	}
	var all []shown
	for _, v := range versions {
		p, err := prove(ctx, b, v)
		if err != nil {
			p.notRun = err.Error()
		}
		all = append(all, p)
	}
	return sum(all).conclude(os.Stdout, all)
}

// prove does everything on one version. Results before an error are kept.
func prove(ctx context.Context, b *stage.Builder, v machine.Version) (p shown, err error) {
	p.version = string(v)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes more than %v", limit))
	defer cancel()
	err = proof.On(ctx, v, b, func(ctx context.Context, there *stage.Stage) (err error) {
		p.systemd = there.Image().Systemd
		s := &service{Stage: there}
		if err := s.setUp(ctx, &p); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
		proof.Say("  %d upgrades, and %d polls at least", upgrades, leastPolls)
		owner, err := s.pollOwner(ctx)
		if err != nil {
			return fmt.Errorf("polling: %w", err)
		}
		err = s.upgradeAll(ctx, &p, owner.count)
		p.polls, p.ownerless = owner.stop()
		if err != nil {
			return fmt.Errorf("upgrades: %w", err)
		}
		p.done = true
		return nil
	})
	return p, err
}
