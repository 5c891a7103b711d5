package demo

import (
	"context"
	"errors"
	"flag"
	"os"
	"time"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// The builds: the first one, and those the upgrades go to in turn. Each binary
// answers with the stamp it was linked with.
const first build = "v1"

var later = [2]build{"v2", "v1"}

// thePlan is the plan of the demo.
func thePlan() plan {
	p := plan{upgrades: leastUpgrades, requests: leastRequests, crash: 6, pause: 500 * time.Millisecond, load: endpoints()}
	// Long enough that each upgrade of echo finds streams to drain, short
	// enough that the next one need not wait for long.
	p.load.StreamLife = load.Range{Min: time.Second, Max: 4 * time.Second}
	return p
}

// Proof is make demo.
func Proof(*flag.FlagSet) proof.Run {
	return func(ctx context.Context, b *stage.Builder) error {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		return demo(ctx, func() { stop(errInterrupted) }, b, thePlan())
	}
}

// demo plays the story, shows it meanwhile and prints the report. interrupt ends
// ctx. An error says that not all was as it should be.
func demo(ctx context.Context, interrupt func(), builder *stage.Builder, p plan) error {
	b := &board{state: state{Begun: time.Now()}}
	hide := show(b, interrupt)
	o, err := play(ctx, b, builder, p)
	hide()
	if o.underLoad == 0 {
		return err // the story has not begun: there is nothing to report
	}
	r := newReport(o)
	if err != nil {
		r.Problems.Add("%v", err)
	}
	r.judge(p)
	return r.conclude(os.Stdout, o)
}

// play makes a machine with both services in it, tells the story on it, and
// removes it.
func play(ctx context.Context, b *board, builder *stage.Builder, p plan) (o outcome, err error) {
	b.say("building %s and %s, each as %s, %s and a build that crashes", web, echo, later[0], later[1])
	binaries := binaries{builder}
	if err := binaries.compile(ctx, first, later[0]); err != nil {
		return o, err
	}
	b.say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	there, err := stage.Open(ctx, machine.V257, builder)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, there.Close()) }()
	b.say("installing units and binaries")
	site := &machineSite{Stage: there, binaries: binaries}
	if err := site.install(ctx, first); err != nil {
		return o, err
	}
	s := story{site: site, board: b, plan: p}
	return s.tell(ctx, first, later)
}
