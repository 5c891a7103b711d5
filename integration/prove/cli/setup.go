package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/instar-project/instar/integration/stage"
	"github.com/instar-project/instar/internal/status"
)

const (
	instar  = "/usr/bin/instar"
	binary  = "/opt/statusd/statusd"
	unit    = "statusd.service"
	busName = status.NamePrefix + "statusd"
)

// service is the one that the command line sets up, on its stage.
type service struct {
	*stage.Stage
	bus *status.Bus
}

// setUp installs the command line, and with it the service; then both judges look at
// its units.
func (s *service) setUp(ctx context.Context, p *shown) error {
	if err := s.Release(ctx, instar, "cmd/instar"); err != nil {
		return err
	}
	if err := s.deploy(ctx, "version=v1"); err != nil {
		return err
	}
	for _, command := range []string{
		instar + " init statusd --exec=" + binary + " --listen=who=/run/statusd.sock",
		"systemctl enable --now statusd.socket",
		"systemctl start " + unit,
	} {
		argv := strings.Fields(command)
		if _, err := s.Run(ctx, argv[0], argv[1:]...); err != nil {
			return err
		}
	}
	var err error
	if s.bus, err = status.OpenBusWith(ctx, "the bus of "+s.Name(), func(ctx context.Context) (io.ReadWriteCloser, error) {
		return s.Dial(ctx, "unix", "/run/dbus/system_bus_socket")
	}); err != nil {
		return err
	}
	if _, err := s.serving(ctx, 1); err != nil {
		return err
	}

	said, err := s.Run(ctx, "systemd-analyze", "security", "--no-pager", unit)
	if err != nil {
		return err
	}
	m := exposure.FindStringSubmatch(said)
	if m == nil {
		return fmt.Errorf("systemd-analyze security says no score:\n%s", said)
	}
	if p.exposure, err = strconv.ParseFloat(m[1], 64); err != nil {
		return err
	}
	said, err = s.Run(ctx, instar, "verify", "--json", "--strict", unit)
	if exitCode(err) < 0 {
		return err
	}
	var findings []json.RawMessage
	if err := json.Unmarshal([]byte(said), &findings); err != nil {
		return fmt.Errorf("instar verify --json: %w", err)
	}
	p.findings = len(findings)
	return nil
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// deploy replaces the service's binary.
func (s *service) deploy(ctx context.Context, stamps ...string) error {
	return s.Release(ctx, binary, "integration/statusd", stamps...)
}

// exitCode is the exit status of a command in the machine; -1: it did not get so far.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
