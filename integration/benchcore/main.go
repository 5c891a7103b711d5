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

// limit bounds it all, except the first build of the machine's image.
const limit = 15 * time.Minute // a predecessor stays for Config.Standby after each upgrade

// bench is what the measurements work with.
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

func main() { program.Main("benchcore", run) }

func run(ctx context.Context) (err error) {
	builder, err := deploy.NewBuilder()
	if err != nil {
		return err
	}
	defer builder.Close()
	b := &bench{}
	program.Say("building")
	for _, program := range []struct {
		path   *string
		folder string
	}{
		{&b.web, "examples/web"},
		{&b.plainweb, "integration/benchcore/plainweb"},
		{&b.probe, "integration/benchcore/probe"},
	} {
		if *program.path, err = builder.Build(ctx, program.folder); err != nil {
			return err
		}
	}
	program.Say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	b.site, err = openSite(ctx, b)
	switch {
	case errors.Is(err, machine.ErrUnsupported), errors.Is(err, machine.ErrUnavailable):
		b.noSite = err
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, b.site.Close()) }()
	}

	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("all of it together takes more than %v", limit))
	defer cancel()
	var figures []figure
	var failures []error
	for _, m := range measurements() {
		for _, f := range m.figures {
			program.Say("measuring %s", f.name)
		}
		if err := m.measure(ctx, b, m.figures); err != nil {
			for i := range m.figures {
				m.figures[i].unmeasured = err
			}
			if b.noSite == nil || !errors.Is(err, b.noSite) {
				failures = append(failures, fmt.Errorf("%s: %w", m.figures[0].name, err))
			}
		}
		figures = append(figures, m.figures...)
	}
	systemd := ""
	if b.site != nil {
		systemd = b.site.machine.Image().Systemd
	}
	return errors.Join(append(failures, newReport(systemd, figures).print(os.Stdout, figures))...)
}
