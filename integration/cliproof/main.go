package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/machine"
)

// limit bounds one version, the building of its image included.
const limit = 6 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cliproof:", err)
		os.Exit(1)
	}
}

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
	say("systemd %s: booting (the first time its image is built, which takes a minute)", v)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes more than %v", limit))
	defer cancel()
	m, err := machine.Boot(ctx, v, machine.Options{})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	p.systemd = m.Image().Systemd
	s := &stage{machine: m, manager: m.System(), builder: builder}
	if err := s.setUp(ctx, &p); err != nil {
		return p, fmt.Errorf("setting up: %w", err)
	}
	say("  %d upgrades, and %d polls at least", upgrades, leastPolls)
	owner, err := s.pollOwner(ctx)
	if err != nil {
		return p, fmt.Errorf("polling: %w", err)
	}
	err = s.upgradeAll(ctx, &p, owner.count)
	p.polls, p.ownerless = owner.stop()
	if err != nil {
		return p, fmt.Errorf("upgrades: %w", err)
	}
	p.done = true
	return p, nil
}

// say tells who waits what takes so long.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
