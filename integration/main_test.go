package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/machine"
)

// builder builds each service once for all tests.
var builder *deploy.Builder

func TestMain(m *testing.M) {
	var err error
	if builder, err = deploy.NewBuilder(); err != nil {
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
func boot(t *testing.T, v machine.Version) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	m, err := machine.Boot(ctx, v, machine.Options{})
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
	return &site{T: t, ctx: ctx, machine: m, manager: m.System()}
}
