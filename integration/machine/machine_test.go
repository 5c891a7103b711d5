package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBoot(t *testing.T) {
	eachVersion(t, func(t *testing.T, m *Machine) {
		text, err := m.Run(t.Context(), "systemctl", "--version")
		must(t)(err)
		if want := "systemd " + string(m.Image().Version); !strings.HasPrefix(text, want+" ") {
			t.Errorf("systemctl --version is %q; want %q", text, want)
		}
		if major, _, _ := strings.Cut(m.Image().Systemd, "."); major != string(m.Image().Version) {
			t.Errorf("the image records systemd %q for version %s", m.Image().Systemd, m.Image().Version)
		}
		state, err := m.Run(t.Context(), "systemctl", "is-system-running")
		if err != nil || strings.TrimSpace(state) != "running" {
			failed, _ := m.Run(t.Context(), "systemctl", "--failed")
			t.Errorf("the machine is %q (%v); failed units:\n%s", state, err, failed)
		}
	})
}

// The sandbox of the services to come: it must work in a machine as on a host.
func TestSandbox(t *testing.T) {
	limit := highestLimit(t, 70_000)
	eachVersion(t, func(t *testing.T, m *Machine) {
		text, err := m.Run(t.Context(), "systemd-run", "--quiet", "--pipe", "--wait",
			"-p", "DynamicUser=yes", "-p", "NoNewPrivileges=yes", "-p", "PrivateNetwork=yes",
			"-p", "ProtectSystem=strict", "-p", "SystemCallFilter=@system-service",
			"-p", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "-p", "MemoryDenyWriteExecute=yes",
			"-p", fmt.Sprint("LimitNOFILE=", limit),
			"sh", "-c", `test $(id -u) -gt 60000 && ulimit -n && ! touch /etc/x 2>/dev/null && echo fine`)
		must(t)(err)
		if want := fmt.Sprint(limit, "\nfine\n"); text != want {
			t.Errorf("the service wrote %q; want %q", text, want)
		}
	})
}

// highestLimit returns the highest RLIMIT_NOFILE in a machine: as far as wanted,
// unless this process is root without CAP_SYS_RESOURCE, which some sandboxes have;
// then a machine's limits end where ours do.
func highestLimit(t *testing.T, wanted uint64) uint64 {
	t.Helper()
	var own unix.Rlimit
	must(t)(unix.Getrlimit(unix.RLIMIT_NOFILE, &own))
	if own.Max >= wanted {
		return wanted
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	must(t)(unix.Capget(&header, &data[0]))
	if data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) == 0 {
		return own.Max
	}
	return wanted
}

func TestRunError(t *testing.T) {
	m := bootForTest(t, V257)
	_, err := m.Run(t.Context(), "systemctl", "start", "nonesuch.service")
	var failed *CommandError
	if !errors.As(err, &failed) || !strings.Contains(failed.Stderr, "nonesuch.service not found") {
		t.Fatalf("error is %v; want a CommandError with the words of systemctl", err)
	}
	if !strings.Contains(err.Error(), m.Name()+": systemctl start nonesuch.service: exit status") {
		t.Errorf("error is %v; want the machine and the command", err)
	}
}

// A command that is called off ends in the machine too, not just nsenter.
func TestCommandCanceled(t *testing.T) {
	m := bootForTest(t, V257)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := m.Command(ctx, "sh", "-c", "echo here; exec sleep 1234")
	out, err := cmd.StdoutPipe()
	must(t)(err)
	must(t)(cmd.Start())
	_, err = out.Read(make([]byte, 5))
	must(t)(err)
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the command called off has succeeded")
	}
	// The sleep is killed with nsenter, but it is for PID 1 of the machine to reap.
	for {
		text, err := m.Run(shortly(t), "pgrep", "--count", "--runstates", "DRST", "--full", "sleep 1234")
		if strings.TrimSpace(text) == "0" {
			return
		}
		if text == "" {
			t.Fatal(err)
		}
	}
}

func TestTwoMachines(t *testing.T) {
	one, two := bootForTest(t, V257), bootForTest(t, V257)
	must(t)(one.WriteFile("/etc/only-here", []byte("one"), 0o644))
	if _, err := two.Run(t.Context(), "test", "!", "-e", "/etc/only-here"); err != nil {
		t.Error("a file of one machine is seen in another:", err)
	}
	for _, m := range []*Machine{one, two} {
		if host, err := m.Run(t.Context(), "cat", "/proc/sys/kernel/hostname"); err != nil || host != m.Name()+"\n" {
			t.Errorf("host name is %q, %v; want %s", host, err, m.Name())
		}
	}
	must(t)(one.Close())
	if _, err := two.Run(t.Context(), "systemctl", "is-system-running"); err != nil {
		t.Error("closing one machine has disturbed another:", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it boots a machine")
	}
	// The first machine also starts things that the process keeps: the poller, for
	// one.
	bootForTest(t, V257).Close()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t)(err)
	open, goroutines := descriptors(t), runtime.NumGoroutine()

	m := bootForTest(t, V257)
	_, err = m.User(t.Context(), UserUID)
	must(t)(err)
	left := m.Command(t.Context(), "sleep", "1234")
	must(t)(left.Start())
	if len(traces(t, m.Name())) == 0 {
		t.Error("the machine has no traces even while it runs: the test looks in the wrong places")
	}
	before := time.Now()
	must(t)(m.Close())
	t.Logf("closed in %v", time.Since(before).Round(time.Millisecond))
	must(t)(m.Close())
	if err := left.Wait(); err == nil {
		t.Error("a command in the machine has outlived it")
	}

	if found := traces(t, m.Name()); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
	if now, err := os.ReadFile("/proc/self/mountinfo"); err != nil || !slices.Equal(now, mounts) {
		t.Errorf("the mount table is another: before\n%s\nafter\n%s", mounts, now)
	}
	if now := descriptors(t); now != open {
		t.Errorf("%d descriptors before, %d after", open, now)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, now)
	}
	_, run := m.Run(t.Context(), "true")
	_, dial := m.Dial(t.Context(), "tcp", "127.0.0.1:1")
	write := m.WriteFile("/x", nil, 0o644)
	for _, err := range []error{run, dial, write} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed machine: %v; want ErrClosed", err)
		}
	}
}

// The error of a boot that fails has the machine's console output.
func TestBootError(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it boots a machine")
	}
	_, err := Boot(t.Context(), V257, Options{Arguments: []string{"--no-such-option"}})
	skipUnlessRun(t, ignoreBootError(err))
	var failed *BootError
	if !errors.As(err, &failed) || !strings.Contains(failed.Console, "--no-such-option") {
		t.Fatalf("error is %v; want a BootError with the words of systemd-nspawn", err)
	}
	if found := traces(t, failed.Name); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
}

// ignoreBootError leaves only errors from before a boot.
func ignoreBootError(err error) error {
	var failed *BootError
	if errors.As(err, &failed) {
		return nil
	}
	return err
}

// skipUnlessRun skips the test for the errors that are not failures.
func skipUnlessRun(t *testing.T, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUnsupported) && os.Getenv(VersionsVariable) == "":
		t.Skipf("not run: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

func TestBootCanceled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it boots a machine")
	}
	bootForTest(t, V257).Close() // the image is there
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	// Called off as soon as the machine has written something.
	_, err := Boot(ctx, V257, Options{Console: writerFunc(func() { cancel(enough) })})
	if !errors.Is(err, enough) {
		t.Errorf("error is %v; want the cause of the context", err)
	}
	var failed *BootError
	if errors.As(err, &failed) {
		if found := traces(t, failed.Name); len(found) > 0 {
			t.Errorf("left behind: %q", found)
		}
	}
}

type writerFunc func()

func (f writerFunc) Write(p []byte) (int, error) { f(); return len(p), nil }

func BenchmarkBoot(b *testing.B) {
	for _, v := range Versions() {
		b.Run("systemd="+string(v), func(b *testing.B) {
			if _, err := Build(b.Context(), v); err != nil {
				b.Skip(err)
			}
			for b.Loop() {
				m, err := Boot(b.Context(), v, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
