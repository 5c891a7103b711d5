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
const limit = 8 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "storeproof:", err)
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
	say("systemd %s: booting (the first time its image is built, which takes a minute)", v)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes more than %v", limit))
	defer cancel()
	m, err := machine.Boot(ctx, v, machine.Options{})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	p.Systemd = m.Image().Systemd
	if p.Chat, err = tellStory(ctx, m, builder); err != nil {
		return p, fmt.Errorf("chat: %w", err)
	}
	if p.Parking, err = measureParking(ctx, m, builder); err != nil {
		return p, fmt.Errorf("parking: %w", err)
	}
	if p.Rates, err = measureRates(ctx, m); err != nil {
		return p, fmt.Errorf("rates: %w", err)
	}
	return p, nil
}

// say tells who waits what takes so long.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
