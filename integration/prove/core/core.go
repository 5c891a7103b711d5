package core

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

// limit bounds it all, except the first build of the machine's image.
const limit = 15 * time.Minute // a predecessor stays for Config.Standby after each upgrade

// bench has the tools of the measurements.
type bench struct {
	web, plainweb, probe string // binaries on this host

	// site is nil where no machine can be booted, because of noSite.
	site   *site
	noSite error
}

// A measurement fills in figures that belong together.
type measurement struct {
	figures []figure
	measure func(ctx context.Context, b *bench, into []figure) error
}

// measurements are in the order of the table.
func measurements() []measurement {
	return []measurement{
		{notifyFigures(), measureNotify},
		{acceptFigures(), measureAccept},
		{reloadFigures(), measureReload},
		{sizeFigures(), measureSize},
		{memoryFigures(), measureMemory},
	}
}

// Proof is make bench-core.
func Proof(*flag.FlagSet) proof.Run { return run }

func run(ctx context.Context, builder *stage.Builder) (err error) {
	b := &bench{}
	proof.Say("building")
	for _, binary := range []struct {
		path   *string
		folder string
	}{
		{&b.web, "examples/web"},
		{&b.plainweb, "integration/prove/core/plainweb"},
		{&b.probe, "integration/prove/core/probe"},
	} {
		if *binary.path, err = builder.Build(ctx, binary.folder); err != nil {
			return err
		}
	}
	err = proof.On(ctx, machine.V257, builder, func(ctx context.Context, there *stage.Stage) error {
		b.site = &site{Stage: there}
		if err := b.site.install(ctx, b); err != nil {
			return err
		}
		return b.measureAll(ctx)
	})
	if proof.NotRun(err) {
		b.noSite = err
		return b.measureAll(ctx)
	}
	return err
}

func (b *bench) measureAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("all of it together takes more than %v", limit))
	defer cancel()
	var figures []figure
	var problems proof.Lines
	for _, m := range measurements() {
		for _, f := range m.figures {
			proof.Say("measuring %s", f.name)
		}
		if err := m.measure(ctx, b, m.figures); err != nil {
			for i := range m.figures {
				m.figures[i].unmeasured = err
			}
			problems.Add("%s was not measured: %v", m.figures[0].name, err)
		}
		figures = append(figures, m.figures...)
	}
	systemd := ""
	if b.site != nil {
		systemd = b.site.Image().Systemd
	}
	return newReport(systemd, figures).conclude(os.Stdout, figures, problems)
}
