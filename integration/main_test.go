package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/stage"
)

// builder builds each service once for all tests.
var builder *stage.Builder

func TestMain(m *testing.M) {
	var err error
	if builder, err = stage.NewBuilder(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status := m.Run()
	builder.Close()
	os.Exit(status)
}

// onEach runs test on a machine of its own for each version of systemd.
func onEach(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	if os.Getenv("INSTAR_SYSTEMD") == "host" {
		test(t, onHost(t))
		return
	}
	versions, err := machine.Wanted()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		t.Run("systemd "+string(v), func(t *testing.T) {
			t.Parallel()
			test(t, boot(t, v))
		})
	}
}

// boot starts a machine that lives as long as the test.
func boot(t *testing.T, v machine.Version) *site { return bootWith(t, v, machine.Options{}) }

func bootWith(t *testing.T, v machine.Version, o machine.Options) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	m, err := machine.Boot(ctx, v, o)
	switch {
	case errors.Is(err, machine.ErrUnavailable):
		t.Skipf("NOT RUN: %v", err)
	case errors.Is(err, machine.ErrUnsupported) && os.Getenv("INSTAR_SYSTEMD") == "":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{T: t, ctx: ctx, machine: m, manager: m.System(), runtime: "/run"}
}

// onHost uses the manager of the current user, where that is new enough.
func onHost(t *testing.T) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	manager, err := machine.HostUser(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &site{T: t, ctx: ctx, manager: manager, user: true, runtime: os.Getenv("XDG_RUNTIME_DIR")}
}

// asUser tells a story under the manager of a user.
func asUser(story func(*testing.T, *site)) func(*testing.T, *site) {
	return func(t *testing.T, s *site) {
		if s.machine != nil {
			manager, err := s.machine.User(s.ctx, machine.UserUID)
			s.must(err)
			s.manager, s.user, s.runtime = manager, true, fmt.Sprintf("/run/user/%d", machine.UserUID)
		}
		story(t, s)
	}
}
