package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// helperVariable makes the test binary do one of helpers instead of its tests.
const helperVariable = "INSTAR_MACHINE_TEST_HELPER"

var helpers = map[string]func() error{
	"owner":     ownMachine,
	"host-user": useHostUser,
}

func TestMain(m *testing.M) {
	name := os.Getenv(helperVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := helpers[name](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// helper returns a command that runs the test binary as the named helper.
func helper(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), executable(t))
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// bootForTest boots a machine that is closed after the test, or skips the test.
func bootForTest(t *testing.T, v Version) *Machine {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it boots a machine")
	}
	m, err := Boot(t.Context(), v, Options{})
	skipUnlessRun(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// eachVersion runs a test on each version that INSTAR_SYSTEMD asks for.
func eachVersion(t *testing.T, run func(t *testing.T, m *Machine)) {
	t.Helper()
	wanted, err := Wanted()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range wanted {
		t.Run("systemd="+string(v), func(t *testing.T) { run(t, bootForTest(t, v)) })
	}
}

// must returns a helper that fails the test at an error, for the many steps of a
// story that can only fail if something is broken.
func must(t *testing.T) func(err error) {
	return func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// shortly returns a context for a wait that is over in a moment if it ever is.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// machinesOnHost returns the cgroups of all machines, also those of others.
func machinesOnHost(t *testing.T) []string {
	t.Helper()
	h, err := mountedHierarchies()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, mount := range append([]string{h.unified}, h.legacy...) {
		paths, err := filepath.Glob(filepath.Join(mount, namePrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	return found
}

// traces returns the traces of a machine on the host: cgroups, mounts, processes
// and files.
func traces(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, path := range machinesOnHost(t) {
		if filepath.Base(path) == name {
			found = append(found, path)
		}
	}
	if _, err := os.Stat("/run/systemd/nspawn/propagate/" + name); err == nil {
		found = append(found, "/run/systemd/nspawn/propagate/"+name)
	}
	for _, file := range append(glob(t, "/proc/[0-9]*/cmdline"), "/proc/self/mountinfo") {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), name) {
			found = append(found, file)
		}
	}
	return found
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// descriptors returns the open descriptors of this process.
func descriptors(t *testing.T) int { return len(glob(t, "/proc/self/fd/*")) }
