package core

import (
	"context"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/stage"
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
	*stage.Stage
	fastest time.Duration // reload by a signal so far; 0: none
}

func (s *site) install(ctx context.Context, b *bench) error {
	if err := s.CopyIn(b.web, webPath, 0o755); err != nil {
		return err
	}
	if err := s.CopyIn(b.probe, probePath, 0o755); err != nil {
		return err
	}
	units, err := units(ctx)
	if err != nil {
		return err
	}
	if err := s.Install(ctx, units); err != nil {
		return err
	}
	return s.Manager.Start(ctx, "web.socket", "start.socket", "start-control.socket", "web.service", "start.service", "instant.service")
}

// units are the example's own, and those made from them.
func units(ctx context.Context) (map[string]string, error) {
	units, err := stage.Units(ctx, "examples/web")
	if err != nil {
		return nil, err
	}
	socket, service := units["web.socket"], units["web.service"]
	maps.Copy(units, map[string]string{
		"start.socket": strings.NewReplacer(
			"8080", "8081",
			"/run/web.sock", "/run/start.sock").Replace(socket),
		"start-control.socket": "[Socket]\nService=start.service\nFileDescriptorName=control\nListenStream=" + startControl + "\n",
		"start.service": strings.NewReplacer(
			"=web.socket", "=start.socket start-control.socket",
			"Type=notify-reload", "Type=notify",
			"ExecStart="+webPath, "ExecStart="+probePath+" starter "+webPath).Replace(service),
		"instant.service": "[Service]\nType=notify-reload\nExecStart=" + probePath + " instant\n",
	})
	return units, nil
}

// main returns the PID on this host of the only process of a service. It waits
// until there is only one: until a predecessor has gone.
func (s *site) main(ctx context.Context, service string) (pid int, err error) {
	err = stage.Until(ctx, service+".service has one process", time.Millisecond, func() (bool, error) {
		pids, err := s.Processes(service + ".service")
		if len(pids) == 1 {
			pid = pids[0]
		}
		return pid != 0, err
	})
	return pid, err
}

// serves asks the example for the generation that answers.
func (s *site) serves(ctx context.Context) (generation int, err error) {
	response, err := load.Ask(ctx, s.Dial, webAddress, "/")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(response.Header.Get("X-Generation"))
}

// now is CLOCK_MONOTONIC in nanoseconds, which this host and the machine share.
func now() (int64, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano(), os.NewSyscallError("clock_gettime", err)
}
