package libraries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/integration/stage"
)

const (
	unit   = "libraryd.service"
	binary = "/opt/libraryd/libraryd"
)

// sockets of the service: where they listen, and where they are asked.
var sockets = map[string]struct{ directive, asked string }{
	"grpc":    {"ListenStream=127.0.0.1:5401", "127.0.0.1:5401"},
	"dns-tcp": {"ListenStream=0.0.0.0:5402", "127.0.0.7:5402"},
	"dns-udp": {"ListenDatagram=0.0.0.0:5402", "127.0.0.7:5402"}, // the route would choose 127.0.0.1
	"fast":    {"ListenStream=127.0.0.1:5403", "127.0.0.1:5403"},
	"push":    {"ListenStream=127.0.0.1:5404", "127.0.0.1:5404"},
	"ssh":     {"ListenStream=127.0.0.1:5405", "127.0.0.1:5405"},
}

// service is the service on its stage.
type service struct{ *stage.Stage }

// Build compiles the service and its clients, which takes a while the first time.
func Build(ctx context.Context, b *stage.Builder) error {
	for _, folder := range []string{"integration/peers/libraryd", "integration/peers/ask"} {
		if _, err := b.Build(ctx, folder); err != nil {
			return err
		}
	}
	return nil
}

// install compiles the service and its clients, and starts the service.
func install(ctx context.Context, on *stage.Stage) (*service, error) {
	s := &service{on}
	if err := s.Release(ctx, binary, "integration/peers/libraryd"); err != nil {
		return nil, err
	}
	if err := s.Release(ctx, ask, "integration/peers/ask"); err != nil {
		return nil, err
	}
	if err := s.deploy("even"); err != nil {
		return nil, err
	}
	units := make(map[string]string)
	for name, socket := range sockets {
		units["libraryd-"+name+".socket"] = fmt.Sprintf("[Socket]\nService=%s\nFileDescriptorName=%s\n%s\n", unit, name, socket.directive)
	}
	files := slices.Sorted(maps.Keys(units))
	units[unit] = "[Service]\nType=notify-reload\nNotifyAccess=main\nExecStart=" + binary +
		"\nRestart=always\nRestartSec=100ms\nSockets=" + strings.Join(files, " ") + "\n"
	if err := s.Install(ctx, units); err != nil {
		return nil, err
	}
	return s, s.Manager.Start(ctx, append(files, unit)...)
}

// deploy has the next process be of a build; see integration/peers/libraryd.
func (s *service) deploy(build string) error {
	return s.WriteFile(binary+".build", []byte(build), 0o644)
}

// main is the PID on this host of the main process; 0: it has just died.
func (s *service) main(ctx context.Context) (int, error) {
	pid, err := s.Manager.MainPID(ctx, unit)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return pid, err
}

// upgrade is a reload that succeeds. It returns when the predecessor has gone.
func (s *service) upgrade(ctx context.Context, build string) error {
	predecessor, err := s.main(ctx)
	if err != nil {
		return err
	}
	if err := s.deploy(build); err != nil {
		return err
	}
	if err := s.Manager.Reload(ctx, unit); err != nil {
		return err
	}
	return eventually(ctx, "the successor is main and the predecessor has ended", func() (bool, error) {
		pid, err := s.main(ctx)
		_, gone := os.Stat(fmt.Sprintf("/proc/%d", predecessor))
		return pid != predecessor && pid != 0 && os.IsNotExist(gone), err
	})
}

// takeBack is a reload to a bad build, from which the predecessor takes back.
func (s *service) takeBack(ctx context.Context, build string) error {
	predecessor, err := s.main(ctx)
	if err != nil {
		return err
	}
	before, err := s.tookBack(ctx)
	if err != nil {
		return err
	}
	if err := s.deploy(build); err != nil {
		return err
	}
	_ = s.Manager.Reload(ctx, unit) // whether it fails depends on when the build does
	return eventually(ctx, "the predecessor has taken back", func() (bool, error) {
		n, err := s.tookBack(ctx)
		if err != nil || n == before {
			return false, err
		}
		pid, err := s.main(ctx)
		if err == nil && pid != predecessor && pid != 0 {
			err = fmt.Errorf("the main process is %d after a take back, not %d", pid, predecessor)
		}
		if err != nil {
			return false, err
		}
		processes, err := s.Processes(unit)
		return pid == predecessor && len(processes) == 1, err
	})
}

// tookBack is how often it has.
func (s *service) tookBack(ctx context.Context) (int, error) {
	text, err := s.Manager.Journal(ctx, unit)
	return strings.Count(text, "WARN took back"), err
}

var takeover = regexp.MustCompile(`has taken over at (\d+)`)

// takeovers are the moments of all of them, those of bad builds as well.
func (s *service) takeovers(ctx context.Context) (all []time.Time, err error) {
	text, err := s.Manager.Journal(ctx, unit)
	for _, match := range takeover.FindAllStringSubmatch(text, -1) {
		micro, _ := strconv.ParseInt(match[1], 10, 64)
		all = append(all, time.UnixMicro(micro))
	}
	return all, err
}

// eventually waits until so reports true.
func eventually(ctx context.Context, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		yes, err := so()
		if yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for this: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
