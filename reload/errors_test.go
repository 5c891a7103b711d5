package reload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/handover"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		reason error
		want   syscall.Errno
	}{
		{timedOut(7, "preparing", time.Second), syscall.ETIMEDOUT},
		{fmt.Errorf("%w: %w", ErrNaming, context.DeadlineExceeded), syscall.ETIMEDOUT},
		{fmt.Errorf("%w: config.toml:3: no such option", ErrRefused), syscall.ECANCELED},
		{fmt.Errorf("%w: %w", ErrProtocol, &handover.VersionError{}), syscall.EPROTO},
		{fmt.Errorf("%w: PID 7 exited", ErrCrashed), syscall.ECHILD},
		{fmt.Errorf("%w: %w", ErrSpawn, &os.PathError{Op: "fork/exec", Path: "/x", Err: syscall.ENOENT}), syscall.ENOENT},
		{fmt.Errorf("%w: no path", ErrSpawn), syscall.EIO},
		{fmt.Errorf("%w: %w", ErrNaming, syscall.ECONNREFUSED), syscall.ECONNREFUSED},
		{errors.New("anything else"), syscall.EIO},
	} {
		if got := errno(c.reason); got != c.want {
			t.Errorf("errno(%v) = %d, want %d", c.reason, got, c.want)
		}
	}
}

// The text on a successor's end is true whether it was ready or not.
func TestEnded(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"exit 0", "the successor ended: PID %d exited with status 0"},
		{"exit 7", "the successor ended: PID %d exited with status 7"},
		{"kill -9 $$", "the successor ended: PID %d was killed by SIGKILL"},
	} {
		cmd := exec.Command("sh", "-c", c.script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		status, err := awaitExit(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		// It is left to systemd if this process dies as well.
		if err := cmd.Process.Signal(noSignal); err != nil {
			t.Errorf("%s: it is reaped: %v", c.script, err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.Sys().(syscall.WaitStatus); status != got {
			t.Errorf("%s: %#x, want %#x", c.script, status, got)
		}
		err = ended(cmd.Process.Pid, status, "")
		if want := fmt.Sprintf(c.want, cmd.ProcessState.Pid()); err.Error() != want {
			t.Errorf("%s: %v, want %s", c.script, err, want)
		}
		if !errors.Is(err, ErrCrashed) {
			t.Errorf("%s: %v is no ErrCrashed", c.script, err)
		}
	}
}

func TestReasonsOnTheLineAreOneLine(t *testing.T) {
	e, ok := heardFromSuccessor(&successor{}, handover.Refuse{Protocol: handover.Current, Reason: "a\nREADY=1"})
	if !ok || strings.Contains(e.Err.Error(), "\n") {
		t.Errorf("%v", e.Err)
	}
}
