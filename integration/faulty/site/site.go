package site

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/faulty/units"
	"github.com/instar-project/instar/integration/machine"
)

// Build is a build of integration/faulty: what it is deployed as, which it also
// calls itself, and its stamps besides.
type Build struct {
	Name   string
	Stamps []string // such as "fault=crash"
}

// Binaries are builds on this host, by name.
type Binaries map[string]string

// Compile builds them all.
func Compile(ctx context.Context, builder *deploy.Builder, builds ...Build) (Binaries, error) {
	all := make(Binaries)
	for _, b := range builds {
		path, err := builder.Build(ctx, "integration/faulty", append([]string{"version=" + b.Name}, b.Stamps...)...)
		if err != nil {
			return nil, err
		}
		all[b.Name] = path
	}
	return all, nil
}

// Site is a machine with builds of the service in it.
type Site struct {
	Machine  *machine.Machine
	Verdicts *Verdicts
	manager  *machine.Manager
}

// Open boots a machine and puts the builds and the units in place. Errors are
// those of [machine.Boot].
func Open(ctx context.Context, version machine.Version, binaries Binaries) (*Site, error) {
	m, err := machine.Boot(ctx, version, machine.Options{})
	if err != nil {
		return nil, err
	}
	s, err := Install(ctx, m, binaries)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return s, nil
}

// Install makes a Site of a machine, which it owns from then on unless there is an
// error.
func Install(ctx context.Context, m *machine.Machine, binaries Binaries) (*Site, error) {
	s := &Site{Machine: m, manager: m.System()}
	return s, s.install(ctx, binaries)
}

// SlowDown makes all limits of the service, and of those who wait for it, so many times
// longer. To be called before the first Lane; of several sites each has to be given the
// same.
func (s *Site) SlowDown(ctx context.Context, times int) error {
	slowedDown.Store(int64(times))
	folder := "/etc/systemd/system/" + serviceUnit + ".d"
	if err := s.Machine.WriteFile(folder+"/slow.conf", []byte(units.Slow(times)), 0o644); err != nil {
		return err
	}
	return s.manager.DaemonReload(ctx)
}

// Close ends the machine.
func (s *Site) Close() error { return s.Machine.Close() }

const (
	buildFolder = "/opt/faulty/builds"
	socketUnit  = "faulty@.socket"
	serviceUnit = "faulty@.service"
)

func (s *Site) install(ctx context.Context, binaries Binaries) error {
	for name, file := range binaries {
		if err := s.Machine.CopyIn(file, path.Join(buildFolder, name), 0o755); err != nil {
			return err
		}
	}
	for unit, text := range map[string]string{socketUnit: units.Socket, serviceUnit: units.Service} {
		if err := s.manager.InstallUnit(unit, text); err != nil {
			return err
		}
	}
	// Many processes log here within seconds, and no verdict may be missing.
	limits := "[Journal]\nRateLimitIntervalSec=0\n"
	if err := s.Machine.WriteFile("/etc/systemd/journald.conf.d/faulty.conf", []byte(limits), 0o644); err != nil {
		return err
	}
	if _, err := s.manager.Systemctl(ctx, "restart", "systemd-journald.service"); err != nil {
		return err
	}
	var err error
	if s.Verdicts, err = followVerdicts(s.Machine); err != nil {
		return err
	}
	return s.manager.DaemonReload(ctx)
}

// instance is the name of a template unit with a port in it.
func instance(template string, port int) string {
	return strings.Replace(template, "@", fmt.Sprintf("@%d", port), 1)
}
