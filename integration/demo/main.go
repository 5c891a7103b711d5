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
	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/machine"
)

// The builds: the first one, and those the upgrades go to in turn. Each binary
// answers with the stamp it was linked with.
const first build = "v1"

var later = [2]build{"v2", "v1"}

// thePlan is what the demo does.
func thePlan() plan {
	p := plan{upgrades: leastUpgrades, requests: leastRequests, crash: 6, pause: 500 * time.Millisecond, load: endpoints()}
	// Long enough that each upgrade of echo finds streams to drain, short
	// enough that the next one need not wait for long.
	p.load.StreamLife = load.Range{Min: time.Second, Max: 4 * time.Second}
	return p
}

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	interrupt := func() { stop(errInterrupted) }
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // a second one ends the program at once
		interrupt()
	}()
	if err := demo(ctx, interrupt, thePlan()); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo plays the story, shows it meanwhile and prints the report. interrupt ends
// ctx. An error says that not all was as it should be.
func demo(ctx context.Context, interrupt func(), p plan) error {
	b := &board{state: state{Begun: time.Now()}}
	hide := show(b, interrupt)
	o, err := play(ctx, b, p)
	hide()
	if o.underLoad == 0 {
		return err // the story has not begun: there is nothing to report
	}
	r := newReport(o)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	well := r.judge(p)
	if err := r.print(os.Stdout, o); err != nil {
		return err
	}
	if !well {
		return errors.New("not all was as it should be: see the report")
	}
	return nil
}

// play makes a machine with both services in it, tells the story on it, and
// removes it.
func play(ctx context.Context, b *board, p plan) (o outcome, err error) {
	builder, err := deploy.NewBuilder()
	if err != nil {
		return o, err
	}
	defer builder.Close()

	b.say("building %s and %s, each as %s, %s and a build that crashes", web, echo, later[0], later[1])
	site := &machineSite{binaries: binaries{builder}}
	if err := site.binaries.compile(ctx, first, later[0]); err != nil {
		return o, err
	}
	b.say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	if site.machine, err = machine.Boot(ctx, machine.V257, machine.Options{}); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, site.machine.Close()) }()
	b.say("installing units and binaries")
	if err := site.install(ctx, first); err != nil {
		return o, err
	}
	s := story{site: site, board: b, plan: p}
	return s.tell(ctx, first, later)
}
