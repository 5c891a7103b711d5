package reload

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// byHand is the test binary as a service with that behaviour, as a shell starts it.
func byHand(t *testing.T, behaviour string, command ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "behaviour")
	if err := os.WriteFile(script, []byte(behaviour), 0o666); err != nil {
		t.Fatal(err)
	}
	command = append(command, self)
	cmd := exec.Command(command[0], command[1:]...)
	for _, kv := range os.Environ() {
		if key, _, _ := strings.Cut(kv, "="); !perProcess[key] {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, behaviourVariable+"="+script)
	return cmd
}

// A service that is started by hand says once that it has no socket, with the line to type.
func TestMainWithoutSockets(t *testing.T) {
	cmd := byHand(t, "serve")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ends with %v", err)
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "systemd-socket-activate --fdname=echo -l PORT ./") {
		t.Errorf("it says\n%s", &stderr)
	}
}

// So does one with a malformed environment.
func TestMainThatCannotOpen(t *testing.T) {
	cmd := byHand(t, "serve")
	cmd.Env = append(cmd.Env, handoverVariable+"=three")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "malformed "+handoverVariable) {
		t.Errorf("it ends with %v, and says\n%s", err, out)
	}
}

// A process that is only asked answers, and prints nothing.
func TestMainInAPreflight(t *testing.T) {
	for _, behaviour := range []string{"serve", "object no backend"} {
		line, theirs, err := handover.Pair()
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
		cmd := byHand(t, behaviour)
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", preflightVariable, handoverFD))
		cmd.ExtraFiles = []*os.File{theirs}
		out, err := cmd.CombinedOutput()
		theirs.Close()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: it ends with %v, and says\n%s", behaviour, err, out)
		}
		if got := hearAnswer(line); (got == nil) != (behaviour == "serve") {
			t.Errorf("%s: it answers %v", behaviour, got)
		}
	}
}

// A program without a supervisor is a plain one: SIGHUP, as of a terminal that is
// closed, stops it, unless nohup(1) has started it.
func TestByHand(t *testing.T) {
	const tool = "systemd-socket-activate"
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed (Debian package systemd): %v", tool, err)
	}
	for _, c := range []struct {
		name    string
		nohup   bool
		signals []unix.Signal
		says    string
	}{
		{"SIGTERM", false, []unix.Signal{unix.SIGTERM}, ""},
		{"SIGHUP", false, []unix.Signal{unix.SIGHUP}, "SIGHUP stops this service"},
		{"SIGHUP, ignored", true, []unix.Signal{unix.SIGHUP, unix.SIGTERM}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := filepath.Join(t.TempDir(), "socket")
			command := []string{tool, "--fdname=echo", "--listen=" + address, "--setenv=" + behaviourVariable}
			if c.nohup {
				command = append([]string{"nohup"}, command...)
			}
			cmd := byHand(t, "stream", command...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			var conn net.Conn
			testkit.Eventually(t, "it listens", func() bool {
				conn, err = net.Dial("unix", address)
				return err == nil
			})
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			answers := bufio.NewReader(conn)
			for _, signal := range c.signals {
				fmt.Fprintln(conn, "who")
				if answer, err := answers.ReadString('\n'); answer != "1 serving\n" {
					t.Errorf("it answers %q, %v", answer, err)
				}
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			testkit.Eventually(t, "it drains", func() bool {
				fmt.Fprintln(conn, "who")
				answer, err := answers.ReadString('\n')
				return answer == "1 stopping\n" || err != nil
			})
			conn.Close()
			said, _ := io.ReadAll(stderr)
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ends with %v", err)
			}
			if strings.Contains(string(said), "upgrade begun") || !strings.Contains(string(said), c.says) {
				t.Errorf("it says\n%s", said)
			}
		})
	}
}
