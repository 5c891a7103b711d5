package machine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// ownMachine boots a machine, says its name, and waits to be killed.
func ownMachine() error {
	m, err := Boot(context.Background(), V257, Options{})
	if err != nil {
		return err
	}
	fmt.Println(m.Name())
	_, err = os.Stdin.Read(make([]byte, 1))
	return fmt.Errorf("this process was not killed: %v", err)
}

// A machine dies with its owner, killed in the rudest way, and the next boot clears
// away its remains, without touching one whose owner lives.
func TestOwnerKilled(t *testing.T) {
	lives := bootForTest(t, V257)

	owner := helper(t, "owner")
	stdin, err := owner.StdinPipe()
	must(t)(err)
	defer stdin.Close()
	stdout, err := owner.StdoutPipe()
	must(t)(err)
	must(t)(owner.Start())
	name, err := bufio.NewReader(stdout).ReadString('\n')
	must(t)(err)
	name = strings.TrimSpace(name)

	h, err := mountedHierarchies()
	must(t)(err)
	if c, err := lockCgroup(h, name); c != nil || err != nil {
		t.Fatalf("took the lock of a machine that has an owner: %v, %v", c, err)
	}
	must(t)(owner.Process.Kill())
	owner.Wait()

	// The watcher kills it; there is no other owner.
	orphan := &cgroup{name: name, hierarchies: h}
	must(t)(orphan.waitEmpty(shortly(t)))

	bootForTest(t, V257)
	swept(t, name)
	if _, err := lives.Run(t.Context(), "systemctl", "is-system-running"); err != nil {
		t.Error("the sweep has disturbed a machine with an owner:", err)
	}
}

// Even with its watcher gone, a machine without an owner is swept.
func TestSweepRunning(t *testing.T) {
	m := bootForTest(t, V257)
	// As if the owner had gone: the lock is free, and nothing has killed anything.
	must(t)(m.home.dir.Close())
	must(t)(Sweep(t.Context()))
	swept(t, m.Name())
	m.close.Do(func() { // it has nothing left to close but its descriptors
		m.leash.Close()
		m.root.Close()
		m.commands.Close()
		m.network.Close()
		m.reap.Wait()
	})
}

// swept waits until nothing is left of a machine: another process may sweep at the same
// time, and then it is that one's to finish.
func swept(t *testing.T, name string) {
	t.Helper()
	ctx := shortly(t)
	for found := traces(t, name); len(found) > 0; found = traces(t, name) {
		select {
		case <-ctx.Done():
			t.Fatalf("the sweep has left: %q", found)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
