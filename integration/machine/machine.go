package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// Machine is a booted machine. Its methods may be called from several goroutines.
type Machine struct {
	image   Image
	name    string
	home    *cgroup
	console *console
	leash   *os.File        // write end of the pipe that the watcher reads
	exited  <-chan struct{} // closed when systemd-nspawn has ended
	exitErr error           // how it ended; set before exited is closed
	reap    sync.WaitGroup  // the watcher and systemd-nspawn, each waited for

	leader   int      // PID on the host of the machine's PID 1
	root     *os.File // its root directory
	network  *network
	commands *os.File // the cgroup that commands are started in

	close    sync.Once
	closeErr error
}

// enter opens the ways into the machine whose PID 1 is leader.
func (m *Machine) enter(leader int) (err error) {
	m.leader = leader
	if m.root, err = os.Open(m.Root()); err != nil {
		return err
	}
	if m.network, err = openNetwork(m.proc("ns/net")); err != nil {
		return err
	}
	m.commands, err = m.home.leaf("commands")
	return err
}

// Name returns the name of the machine, which is also its host name.
func (m *Machine) Name() string { return m.name }

// String is Name with the exact version of systemd.
func (m *Machine) String() string { return fmt.Sprintf("%s (systemd %s)", m.name, m.image.Systemd) }

// Image returns the image the machine booted from.
func (m *Machine) Image() Image { return m.image }

// Leader returns the PID on the host of the machine's PID 1.
func (m *Machine) Leader() int { return m.leader }

// Root returns the path on the host of the machine's root directory. An absolute
// symlink below it leads to the host: use it to look at files, and WriteFile,
// CopyIn and Dial, which know about that, for the rest.
func (m *Machine) Root() string { return m.proc("root") }

func (m *Machine) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(m.leader), name)
}

// Close ends the machine at once, as pulling the plug would, waits for its last
// process, and removes all that the host has of it. It may be called again.
func (m *Machine) Close() error {
	m.close.Do(func() {
		// It takes a few milliseconds. A process that cannot be killed (a bug of
		// the kernel) must not hang the test: a later Sweep finds the rest.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		m.closeErr = m.home.remove(ctx)
		for _, f := range []*os.File{m.leash, m.root, m.commands} {
			if f != nil {
				m.closeErr = errors.Join(m.closeErr, f.Close())
			}
		}
		if m.network != nil {
			m.closeErr = errors.Join(m.closeErr, m.network.Close())
		}
		if ctx.Err() == nil {
			m.reap.Wait()
		}
	})
	return m.closeErr
}
