package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Both managers that a machine has for tests, and their methods.
func TestManagers(t *testing.T) {
	eachVersion(t, func(t *testing.T, m *Machine) {
		user, err := m.User(t.Context(), UserUID)
		must(t)(err)
		root, err := m.User(t.Context(), 0)
		must(t)(err)
		for want, g := range map[string]*Manager{"0 sys": m.System(), "1000 user": user, "0 user": root} {
			t.Run(g.what, func(t *testing.T) {
				if err := exercise(t.Context(), g); err != nil {
					t.Error(err)
				}
				uid, kind, _ := strings.Cut(want, " ")
				scope := map[string]string{"sys": "--system", "user": "--user"}[kind]
				text, err := g.Run(t.Context(), "systemd-run", scope, "--quiet", "--pipe", "--wait", "id", "-u")
				if err != nil || text != uid+"\n" {
					t.Errorf("a transient service ran as %q, %v; want %s", text, err, uid)
				}
			})
		}
	})
}

// exercise takes a manager through the life of a service, on any host.
func exercise(ctx context.Context, g *Manager) (err error) {
	const unit = "exercise.service"
	script := path.Join(g.Dir(), "exercise")
	defer func() {
		err = errors.Join(err, g.RemoveUnit(unit), g.RemoveUnit(unit+".d"), g.Host().Remove(script), g.DaemonReload(ctx))
	}()
	if err := g.Host().WriteFile(script, []byte("#!/bin/sh\necho hello from the script\nexec sleep infinity\n"), 0o755); err != nil {
		return err
	}
	if err := g.InstallUnit(unit, "[Service]\nType=exec\nExecReload=kill -HUP $MAINPID\nExecStart="+script+"\n"); err != nil {
		return err
	}
	if err := g.InstallUnit(unit+".d/why.conf", "[Unit]\nDescription=a drop-in\n"); err != nil {
		return err
	}
	if err := g.DaemonReload(ctx); err != nil {
		return err
	}
	if err := g.Start(ctx, unit); err != nil {
		return err
	}
	got, err := g.Show(ctx, unit, "ActiveState", "SubState", "Description", "NRestarts")
	want := map[string]string{"ActiveState": "active", "SubState": "running", "Description": "a drop-in", "NRestarts": "0"}
	if err != nil || !maps.Equal(got, want) {
		return fmt.Errorf("the service is %v, %v; want %v", got, err, want)
	}
	// The main process, as seen from here.
	pid, err := g.MainPID(ctx, unit)
	if err != nil {
		return err
	}
	for {
		// The interpreter, until it has become sleep.
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			return err
		}
		if bytes.HasPrefix(command, []byte("sleep\x00infinity")) {
			break
		}
		if !bytes.Contains(command, []byte(script)) {
			return fmt.Errorf("main process %d is %q", pid, command)
		}
	}
	if log, err := g.Journal(ctx, unit); err != nil || !strings.Contains(log, "hello from the script") || !strings.Contains(log, "Started exercise.service") {
		return fmt.Errorf("its journal is %q, %v", log, err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return err
	}
	if err := g.WaitProperty(ctx, unit, "Result", "signal"); err != nil {
		return err
	}
	if err := g.Reload(ctx, unit); err == nil {
		return errors.New("a dead service was reloaded")
	}
	if err := g.ResetFailed(ctx, unit); err != nil {
		return err
	}
	if err := g.Restart(ctx, unit); err != nil {
		return err
	}
	if err := g.Stop(ctx, unit); err != nil {
		return err
	}
	// A wait in vain says how things are.
	brief, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err = g.WaitProperty(brief, unit, "ActiveState", "active")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waited for ActiveState=active") {
		return fmt.Errorf("a wait in vain: %v", err)
	}
	return nil
}

func TestHostPID(t *testing.T) {
	m := bootForTest(t, V257)
	if pid, err := m.HostPID(1); err != nil || pid != m.Leader() {
		t.Errorf("PID 1 is %d on the host, %v; want %d", pid, err, m.Leader())
	}
	if _, err := m.HostPID(4_000_000); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a PID that isn't there: %v", err)
	}
}
