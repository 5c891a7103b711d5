package machine

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"time"
)

// useHostUser exercises the user manager of the host that the test binary runs on.
func useHostUser() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, err := HostUser(ctx)
	if err != nil {
		return err
	}
	return exercise(ctx, g)
}

// A machine is a host with a user session, so this binary, run in it, finds one.
func TestHostUser(t *testing.T) {
	eachVersion(t, func(t *testing.T, m *Machine) {
		user, err := m.User(t.Context(), UserUID)
		must(t)(err)
		_, err = m.Run(t.Context(), "install", "-d", "-o", "instar", "-g", "instar", "/home/instar/instar")
		must(t)(err)
		binary := path.Join(user.Dir(), "machine.test")
		must(t)(m.CopyIn(executable(t), binary, 0o755))
		if _, err := user.Run(t.Context(), "env", helperVariable+"=host-user", binary); err != nil {
			t.Error(err)
		}
	})
}

// Without a session the error says so.
func TestNoHostUser(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := HostUser(t.Context()); !errors.Is(err, ErrNoUserManager) || !strings.Contains(err.Error(), "XDG_RUNTIME_DIR") {
		t.Errorf("without XDG_RUNTIME_DIR: %v", err)
	}
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	if _, err := HostUser(t.Context()); !errors.Is(err, ErrNoUserManager) {
		t.Errorf("with an empty XDG_RUNTIME_DIR: %v", err)
	}
}

func TestManagerMajor(t *testing.T) {
	for version, want := range map[string]int{
		"257.13-1~deb13u1": 257, "262-1": 262, "v255~rc1": 255, "254": 254, "": 0, "v": 0, "systemd 257": 0,
	} {
		got, err := managerMajor(version)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("managerMajor(%q) = %d, %v; want %d", version, got, err, want)
		}
	}
}
