package site

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/instar-project/instar/integration/faulty/units"
	"github.com/instar-project/instar/integration/stage"
)

// Build is a build of integration/faulty: the name that it is deployed as, and
// gives itself, and its further stamps.
type Build struct {
	Name   string
	Stamps []string // such as "fault=crash"
}

// Site is a stage with builds of the service in it.
type Site struct {
	*stage.Stage
	Verdicts *Verdicts
}

// Install puts the builds and the units in place.
func Install(ctx context.Context, there *stage.Stage, builds ...Build) (*Site, error) {
	s := &Site{Stage: there}
	return s, s.install(ctx, builds)
}

// SlowDown makes all limits of the service, and of the tests that wait for it, so many
// times longer. Call it before the first Lane, with the same factor for all sites.
func (s *Site) SlowDown(ctx context.Context, times int) error {
	slowedDown.Store(int64(times))
	folder := "/etc/systemd/system/" + serviceUnit + ".d"
	if err := s.Machine.WriteFile(folder+"/slow.conf", []byte(units.Slow(times)), 0o644); err != nil {
		return err
	}
	return s.Manager.DaemonReload(ctx)
}

const (
	buildFolder = "/opt/faulty/builds"
	socketUnit  = "faulty@.socket"
	serviceUnit = "faulty@.service"
)

func (s *Site) install(ctx context.Context, builds []Build) (err error) {
	for _, b := range builds {
		if err := s.Release(ctx, path.Join(buildFolder, b.Name), "integration/faulty", append([]string{"version=" + b.Name}, b.Stamps...)...); err != nil {
			return err
		}
	}
	// Many processes log here within seconds, and no verdict may be missing.
	limits := "[Journal]\nRateLimitIntervalSec=0\n"
	if err := s.Machine.WriteFile("/etc/systemd/journald.conf.d/faulty.conf", []byte(limits), 0o644); err != nil {
		return err
	}
	if _, err := s.Manager.Systemctl(ctx, "restart", "systemd-journald.service"); err != nil {
		return err
	}
	if s.Verdicts, err = followVerdicts(s.Machine); err != nil {
		return err
	}
	return s.Stage.Install(ctx, map[string]string{socketUnit: units.Socket, serviceUnit: units.Service})
}

// instance is the name of a template unit with a port in it.
func instance(template string, port int) string {
	return strings.Replace(template, "@", fmt.Sprintf("@%d", port), 1)
}
