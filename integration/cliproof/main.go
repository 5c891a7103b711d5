package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/program"
)

// limit bounds one version, the building of its image included.
const limit = 6 * time.Minute

func main() { program.Main("cliproof", run) }

func run(ctx context.Context) error {
	versions, err := machine.Wanted()
	if err != nil {
		return err
	}
	builder, err := deploy.NewBuilder()
	if err != nil {
		return err
	}
	defer builder.Close()
	var proofs []proof
	var failures []error
	for _, v := range versions {
		p, err := prove(ctx, builder, v)
		if err != nil {
			failures = append(failures, fmt.Errorf("systemd %s: %w", v, err))
			p.notRun = err.Error()
		}
		proofs = append(proofs, p)
	}
	r := sum(proofs)
	failures = append(failures, r.broken()...)
	return errors.Join(append(failures, r.print(os.Stdout, proofs))...)
}

// prove does everything on one version. What was seen before an error is kept.
func prove(ctx context.Context, builder *deploy.Builder, v machine.Version) (p proof, err error) {
	p.version = string(v)
	err = program.OnMachine(ctx, v, limit, func(ctx context.Context, m *machine.Machine) (err error) {
		p.systemd = m.Image().Systemd
		s := &stage{machine: m, manager: m.System(), builder: builder}
		if err := s.setUp(ctx, &p); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
		program.Say("  %d upgrades, and %d polls at least", upgrades, leastPolls)
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
