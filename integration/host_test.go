package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/machine"
)

// On a host with a new enough systemd the tests need no machine: they run on
// the user manager. The host here is a machine, which is lent this one's Go
// and source.
func TestHostsUserManager(t *testing.T) {
	if os.Getenv("INSTAR_SYSTEMD") == "host" {
		t.Skip("the test starts this one itself")
	}
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	goEnv := strings.Fields(string(out))
	lent := []string{"--bind-ro=" + source + ":/src", "--bind-ro=" + goEnv[0] + ":/go", "--bind-ro=" + goEnv[1] + ":/mod", "--bind=" + goEnv[2] + ":/cache"}
	s := bootWith(t, machine.V257, machine.Options{Arguments: lent})
	if _, err := s.machine.User(s.ctx, 0); err != nil {
		t.Fatal(err)
	}
	cmd := s.machine.Command(s.ctx, "/go/bin/go", "-C", "/src/integration", "test", "-count=1", "-v", "-run", "^(TestUpgradeUnderLoad|TestFailedUpgrade|TestTakeBackInDrain)$", ".")
	cmd.Env = append(cmd.Env, "HOME=/root", "PATH=/go/bin:/usr/bin:/bin", "GOROOT=/go", "GOMODCACHE=/mod", "GOCACHE=/cache",
		"GOFLAGS=-buildvcs=false", "CGO_ENABLED=0", "GOPROXY=off", "XDG_RUNTIME_DIR=/run/user/0", "INSTAR_SYSTEMD=host")
	begin := time.Now()
	text, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(text), "--- PASS") != 3 {
		t.Errorf("%v after %v\n%s", err, time.Since(begin), text)
	}
}
