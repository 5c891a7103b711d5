package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/machine"
)

// Where things are in the machine.
const (
	webPath      = "/opt/web/web" // as the unit of the example has it
	probePath    = "/opt/bench/probe"
	webAddress   = "127.0.0.1:8080"
	startAddress = "127.0.0.1:8081"
	startControl = "/run/start-control.sock"
)

// site is a machine with three services in it: web, the example as it is;
// instant, whose reload has nothing to do; and start, which starts the
// example's binary when told to, in the example's sandbox.
type site struct {
	machine *machine.Machine
	manager *machine.Manager
	fastest time.Duration // reload by a signal so far; 0: none
}

func openSite(ctx context.Context, b *bench) (*site, error) {
	m, err := machine.Boot(ctx, machine.V257, machine.Options{})
	if err != nil {
		return nil, err
	}
	s := &site{machine: m, manager: m.System()}
	if err := s.install(ctx, b); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return s, nil
}

func (s *site) Close() error { return s.machine.Close() }

func (s *site) install(ctx context.Context, b *bench) error {
	if err := s.machine.CopyIn(b.web, webPath, 0o755); err != nil {
		return err
	}
	if err := s.machine.CopyIn(b.probe, probePath, 0o755); err != nil {
		return err
	}
	units, err := units(ctx)
	if err != nil {
		return err
	}
	for name, text := range units {
		if err := s.manager.InstallUnit(name, text); err != nil {
			return err
		}
	}
	if err := s.manager.DaemonReload(ctx); err != nil {
		return err
	}
	return s.manager.Start(ctx, "web.socket", "start.socket", "start-control.socket", "web.service", "start.service", "instant.service")
}

// units are the example's own, and those made from them.
func units(ctx context.Context) (map[string]string, error) {
	dir, err := deploy.Source(ctx, "examples/web")
	if err != nil {
		return nil, err
	}
	socket, err := os.ReadFile(filepath.Join(dir, "web.socket"))
	if err != nil {
		return nil, err
	}
	service, err := os.ReadFile(filepath.Join(dir, "web.service"))
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"web.socket":  string(socket),
		"web.service": string(service),
		"start.socket": strings.NewReplacer(
			"8080", "8081",
			"/run/web.sock", "/run/start.sock").Replace(string(socket)),
		"start-control.socket": "[Socket]\nService=start.service\nFileDescriptorName=control\nListenStream=" + startControl + "\n",
		"start.service": strings.NewReplacer(
			"=web.socket", "=start.socket start-control.socket",
			"Type=notify-reload", "Type=notify",
			"ExecStart="+webPath, "ExecStart="+probePath+" starter "+webPath).Replace(string(service)),
		"instant.service": "[Service]\nType=notify-reload\nExecStart=" + probePath + " instant\n",
	}, nil
}

// main returns the PID on this host of the only process of a service. It waits
// until there is only one: until a predecessor has gone.
func (s *site) main(ctx context.Context, service string) (int, error) {
	members := filepath.Join(s.machine.Root(), "sys/fs/cgroup/system.slice", service+".service", "cgroup.procs")
	for {
		text, err := os.ReadFile(members)
		if err != nil {
			return 0, err
		}
		pids := strings.Fields(string(text))
		if len(pids) == 1 {
			return strconv.Atoi(pids[0])
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s.service has processes %v: %w", service, pids, context.Cause(ctx))
		case <-time.After(time.Millisecond):
		}
	}
}

// now is CLOCK_MONOTONIC in nanoseconds, which this host and the machine share.
func now() (int64, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano(), os.NewSyscallError("clock_gettime", err)
}
