package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/integration/machine"
)

// Stage is a machine for services, and builds their binaries.
type Stage struct {
	*machine.Machine
	Manager *machine.Manager // the system's
	Builder *Builder
}

// Open boots a machine of that version of systemd, to be closed by the caller. Errors are
// those of [machine.Boot].
func Open(ctx context.Context, v machine.Version, b *Builder) (*Stage, error) {
	m, err := machine.Boot(ctx, v, machine.Options{})
	if err != nil {
		return nil, err
	}
	return On(m, b), nil
}

// On makes a stage of a machine.
func On(m *machine.Machine, b *Builder) *Stage {
	return &Stage{Machine: m, Manager: m.System(), Builder: b}
}

// Release builds a package, see [Builder.Build], and replaces the binary at path in the
// machine by it.
func (s *Stage) Release(ctx context.Context, path, folder string, stamps ...string) error {
	binary, err := s.Builder.Build(ctx, folder, stamps...)
	if err != nil {
		return err
	}
	return s.CopyIn(binary, path, 0o755)
}

// Units are those that lie in a folder of the source tree, such as "examples/web", by name.
func Units(ctx context.Context, folder string) (map[string]string, error) {
	dir, err := Source(ctx, folder)
	if err != nil {
		return nil, err
	}
	units := map[string]string{}
	for _, kind := range []string{"*.socket", "*.service"} {
		files, err := filepath.Glob(filepath.Join(dir, kind))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			units[filepath.Base(file)] = string(text)
		}
	}
	return units, nil
}

// Install puts units in place, texts by name, and has systemd read them.
func (s *Stage) Install(ctx context.Context, units map[string]string) error {
	for name, text := range units {
		if err := s.Manager.InstallUnit(name, text); err != nil {
			return err
		}
	}
	return s.Manager.DaemonReload(ctx)
}

// Processes are the PIDs on this host of all generations of a service: the members of the
// unit's control group. A service that does not run has none.
func (s *Stage) Processes(unit string) (pids []int, err error) {
	slice := "system.slice"
	if template, _, instance := strings.Cut(unit, "@"); instance {
		slice = filepath.Join(slice, "system-"+template+".slice")
	}
	text, err := os.ReadFile(filepath.Join(s.Root(), "sys/fs/cgroup", slice, unit, "cgroup.procs"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) { // ENODEV: it has just ended
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("stage: processes of %s: %w", unit, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
