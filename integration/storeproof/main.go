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
const limit = 8 * time.Minute

func main() { program.Main("storeproof", run) }

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
	r := report{Proof: "store"}
	var failures []error
	for _, v := range versions {
		p, err := prove(ctx, builder, v)
		if errors.Is(err, machine.ErrUnavailable) {
			p.NotRun, err = err.Error(), nil
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("systemd %s: %w", v, err))
		}
		r.Versions = append(r.Versions, p)
	}
	r.judge()
	if r.lost() {
		failures = append(failures, errors.New("clients have lost something"))
	}
	return errors.Join(append(failures, r.print(os.Stdout))...)
}

// prove does everything on one version. What was measured before an error is kept.
func prove(ctx context.Context, builder *deploy.Builder, v machine.Version) (p proof, err error) {
	p.Systemd = string(v)
	err = program.OnMachine(ctx, v, limit, func(ctx context.Context, m *machine.Machine) (err error) {
		p.Systemd = m.Image().Systemd
		if p.Chat, err = tellStory(ctx, m, builder); err != nil {
			return fmt.Errorf("chat: %w", err)
		}
		if p.Parking, err = measureParking(ctx, m, builder); err != nil {
			return fmt.Errorf("parking: %w", err)
		}
		if p.Rates, err = measureRates(ctx, m); err != nil {
			return fmt.Errorf("rates: %w", err)
		}
		return nil
	})
	return p, err
}
