package demo

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/stage"
)

// A machineSite is a site in a throw-away machine: the system manager's units,
// as they lie beside the examples.
type machineSite struct {
	*stage.Stage
	binaries binaries
	program  map[string]string // by service: the path of ExecStart= in the machine
}

// endpoints are where the examples' socket units listen.
func endpoints() load.Config {
	return load.Config{
		HTTP2: load.Clients{Count: 8, Rate: 200},
		Web: []load.Endpoint{
			{Network: "tcp", Address: "127.0.0.1:8080"},
			{Network: "tcp", Address: "[::1]:8080"},
			{Network: "unix", Address: "/run/web.sock"},
		},
		Streams: []load.Endpoint{
			{Network: "tcp", Address: "127.0.0.1:7000"},
			{Network: "unix", Address: "/run/echo/stream.sock"},
			{Network: "unixpacket", Address: "/run/echo/packet.sock"},
		},
		Queries: []load.Endpoint{
			{Network: "udp", Address: "127.0.0.1:7000"},
			{Network: "udp", Address: "[::1]:7000"},
		},
	}
}

// install installs both services with their first build and opens their
// sockets. It starts neither: the first connection does.
func (s *machineSite) install(ctx context.Context, first build) error {
	s.program = map[string]string{}
	var sockets []string
	for _, service := range []string{web, echo} {
		units, err := stage.Units(ctx, "examples/"+service)
		if err != nil {
			return err
		}
		for name := range units {
			if strings.HasSuffix(name, ".socket") {
				sockets = append(sockets, name)
			}
		}
		if s.program[service], err = execStart([]byte(units[service+".service"])); err != nil {
			return fmt.Errorf("%s.service: %w", service, err)
		}
		if err := s.Stage.Install(ctx, units); err != nil {
			return err
		}
		if err := s.Install(ctx, service, first); err != nil {
			return err
		}
	}
	_, err := s.Manager.Systemctl(ctx, append([]string{"enable", "--now"}, sockets...)...)
	return err
}

// execStart finds the program in the text of a .service unit.
func execStart(unit []byte) (path string, err error) {
	for line := range bytes.Lines(unit) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "ExecStart="); ok {
			if words := strings.Fields(command); len(words) > 0 && filepath.IsAbs(words[0]) {
				return words[0], nil
			}
		}
	}
	return "", fmt.Errorf("no ExecStart= with an absolute path")
}

func (s *machineSite) Systemd() string { return s.Image().Systemd }

func (s *machineSite) Install(ctx context.Context, service string, b build) error {
	path, err := s.binaries.of(ctx, service, b)
	if err != nil {
		return err
	}
	return s.CopyIn(path, s.program[service], 0o755)
}

func (s *machineSite) Reload(ctx context.Context, service string) error {
	return s.Manager.Reload(ctx, service+".service")
}

func (s *machineSite) Show(ctx context.Context, service string) (unitState, error) {
	is, err := s.Manager.Show(ctx, service+".service", "MainPID", "StatusText", "NRestarts")
	if err != nil {
		return unitState{}, err
	}
	unit := unitState{Status: is["StatusText"]}
	if unit.MainPID, err = strconv.Atoi(is["MainPID"]); err == nil {
		unit.Restarts, err = strconv.Atoi(is["NRestarts"])
	}
	if err != nil {
		return unitState{}, fmt.Errorf("systemctl show %s: %w", service, err)
	}
	return unit, nil
}

// Processes counts all generations of the service.
func (s *machineSite) Processes(service string) (int, error) {
	pids, err := s.Stage.Processes(service + ".service")
	return len(pids), err
}
