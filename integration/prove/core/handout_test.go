package core

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/notify"
)

// asService makes the test binary a service that greets its clients.
const asService = "INSTAR_TEST_SERVICE"

func TestMain(m *testing.M) {
	if os.Getenv(asService) != "" {
		if err := greet(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// greet answers one connection on each socket with the socket's name.
func greet() error {
	set, err := activation.Take()
	if err != nil {
		return err
	}
	defer set.Close()
	for _, name := range set.Names() {
		ln, err := set.Listener(name)
		if err != nil {
			return err
		}
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, name); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

func TestHandOut(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"one", "another"}
	cmd, addresses, done, err := handOut(t.Context(), program, []string{"an argument"}, names)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	cmd.Env = append(cmd.Env, asService+"=1")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for i, address := range addresses {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(c)
		if c.Close(); err != nil || string(said) != names[i] {
			t.Errorf("socket %d says %q, %v; want %q", i, said, err, names[i])
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestDrainedSocketAnswersBarriers(t *testing.T) {
	before := descriptors(t)
	manager, err := openDrainedSocket()
	if err != nil {
		t.Fatal(err)
	}
	n, err := notify.Dial(manager.address)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := n.Send(notify.Status("hello")); err != nil {
			t.Error(err)
		}
		if err := n.Barrier(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := manager.Close(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestProbeReadsSamples(t *testing.T) {
	script := `echo '{"accept": [[3000, 2000], [5000, 4000]]}'`
	samples, err := probe(exec.CommandContext(t.Context(), "/bin/sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := samples.pairs("accept", microsecond)
	if err != nil || len(pairs) != 2 || pairs[0] != (pair{3, 2}) || pairs[1] != (pair{5, 4}) {
		t.Errorf("pairs %v, %v", pairs, err)
	}
	if _, err := samples.pairs("send", microsecond); err == nil {
		t.Error("no error for samples that are not there")
	}
	if _, err := probe(exec.CommandContext(context.Background(), "/bin/sh", "-c", "exit 1")); err == nil {
		t.Error("no error for a probe that fails")
	}
}

// descriptors counts those of this process. The runtime's own poller, which
// stays once it is there, is made to be there.
func descriptors(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("unix", "@"+t.Name())
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
