package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// namePrefix is how the name of each machine begins, and so of its cgroup.
const namePrefix = "instar-machine-"

// cgroup is the home and the record of one machine: a directory named for it in
// the cgroup2 hierarchy, on which the owner holds a flock.
type cgroup struct {
	name        string
	dir         *os.File // locked: closing it gives the machine up
	hierarchies hierarchies
}

// newCgroup makes the home of a machine under a name that no other has.
func newCgroup(h hierarchies, v Version) (*cgroup, error) {
	for {
		name := fmt.Sprintf("%s%s-%s", namePrefix, v, rand.Text()[:8])
		path := filepath.Join(h.unified, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return nil, fmt.Errorf("machine: make its cgroup: %w", err)
		}
		c, err := lockCgroup(h, name)
		switch {
		case err != nil:
			return nil, errors.Join(err, os.Remove(path))
		case c == nil:
			continue // a sweep saw it before it was locked, and took it for a leftover
		}
		return c, nil
	}
}

// lockCgroup opens the cgroup of that name and takes its lock. It returns nil
// when another process has the lock, or when the cgroup is gone.
func lockCgroup(h hierarchies, name string) (*cgroup, error) {
	path := filepath.Join(h.unified, name)
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("machine: open its cgroup: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		if err == unix.EWOULDBLOCK {
			return nil, nil
		}
		return nil, fmt.Errorf("machine: lock its cgroup: %w", os.NewSyscallError("flock", err))
	}
	// It may have been removed between open and flock.
	locked, err1 := dir.Stat()
	named, err2 := os.Stat(path)
	if err1 != nil || err2 != nil || !os.SameFile(locked, named) {
		dir.Close()
		return nil, nil
	}
	return &cgroup{name: name, dir: dir, hierarchies: h}, nil
}

func (c *cgroup) path() string { return filepath.Join(c.hierarchies.unified, c.name) }

// leaf makes a cgroup inside, for a process to be started in. The caller closes
// the directory. Leaves, since in cgroup2 only those may hold processes.
func (c *cgroup) leaf(name string) (*os.File, error) {
	path := filepath.Join(c.path(), name)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("machine: %s: make a cgroup: %w", c.name, err)
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("machine: %s: open a cgroup: %w", c.name, err)
	}
	return dir, nil
}

// killFile is the file that ends every process of the machine at once.
func (c *cgroup) killFile() string { return filepath.Join(c.path(), "cgroup.kill") }

func (c *cgroup) kill() error {
	if err := os.WriteFile(c.killFile(), []byte("1"), 0); err != nil {
		return fmt.Errorf("machine: kill %s: %w", c.name, err)
	}
	return nil
}

// waitEmpty returns when the last process in the cgroup has gone, and at once if the
// cgroup has: another process may have swept it.
func (c *cgroup) waitEmpty(ctx context.Context) error {
	events, err := os.Open(filepath.Join(c.path(), "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("machine: watch %s: %w", c.name, err)
	}
	defer events.Close()
	buf := make([]byte, 256)
	for {
		n, err := events.ReadAt(buf, 0)
		if errors.Is(err, unix.ENODEV) {
			return nil
		} else if n == 0 {
			return fmt.Errorf("machine: watch %s: %w", c.name, err)
		}
		if bytes.Contains(buf[:n], []byte("populated 0")) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("machine: %s still has processes: %w", c.name, context.Cause(ctx))
		}
		// The kernel announces a change with POLLPRI. The timeout is only there to
		// look at ctx.
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}, 100)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("machine: watch %s: %w", c.name, os.NewSyscallError("poll", err))
		}
	}
}

// remove kills the processes in the machine, removes its remains on the host, and
// gives up the lock. After an error, a later Sweep tries again.
func (c *cgroup) remove(ctx context.Context) error {
	defer c.dir.Close()
	if err := c.kill(); err != nil {
		return err
	}
	if err := c.waitEmpty(ctx); err != nil {
		return err
	}
	// The record goes last, so that remains after a failure are found again.
	errs := []error{os.RemoveAll(filepath.Join("/run/systemd/nspawn/propagate", c.name))}
	for _, mount := range c.hierarchies.legacy {
		errs = append(errs, removeCgroups(ctx, filepath.Join(mount, c.name)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("machine: remove %s: %w", c.name, err)
	}
	if err := removeCgroups(ctx, c.path()); err != nil {
		return fmt.Errorf("machine: remove %s: %w", c.name, err)
	}
	return nil
}

// removeCgroups removes a tree of cgroups without processes, and is content when
// there is none. The files in a cgroup's directory cannot be removed, and go
// with it.
func removeCgroups(ctx context.Context, root string) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroups(ctx, filepath.Join(root, entry.Name())); err != nil {
				return err
			}
		}
	}
	for {
		err := unix.Rmdir(root)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		// A process that has just ended keeps its cgroup of version 1 busy until
		// it is reaped, and nothing announces that.
		if err != unix.EBUSY || ctx.Err() != nil {
			return &fs.PathError{Op: "rmdir", Path: root, Err: err}
		}
		time.Sleep(time.Millisecond)
	}
}
