package machine

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// WriteFile makes or replaces a file in the machine, as a deployment would: written
// beside it, then renamed over it. A process that has the old file open, or runs
// it, keeps it. Folders on the way are made. path is absolute, and its symlinks
// lead where they do in the machine; a symlink at its end is replaced.
func (m *Machine) WriteFile(path string, data []byte, mode fs.FileMode) error {
	return m.write(path, bytes.NewReader(data), mode)
}

// CopyIn is WriteFile with the content of a file of the host.
func (m *Machine) CopyIn(hostPath, path string, mode fs.FileMode) error {
	f, err := os.Open(hostPath)
	if err != nil {
		return fmt.Errorf("machine: %s: copy in: %w", m.name, err)
	}
	defer f.Close()
	return m.write(path, f, mode)
}

// Remove removes a file or folder, with all in it, from the machine. No such
// file is no error.
func (m *Machine) Remove(path string) error {
	path = filepath.Clean("/" + path)
	dir, err := m.openPath(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("machine: %s: remove %s: %w", m.name, path, err)
	}
	defer dir.Close()
	root, err := os.OpenRoot(descriptorPath(dir))
	if err == nil {
		defer root.Close()
		err = root.RemoveAll(filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("machine: %s: remove %s: %w", m.name, path, err)
	}
	return nil
}

func (m *Machine) write(path string, data io.Reader, mode fs.FileMode) error {
	path = filepath.Clean("/" + path)
	dir, err := m.makePath(filepath.Dir(path))
	if err == nil {
		defer dir.Close()
		err = replaceFile(descriptorPath(dir), filepath.Base(path), data, mode)
	}
	if err != nil {
		return fmt.Errorf("machine: %s: write %s: %w", m.name, path, err)
	}
	return nil
}

// openPath opens an absolute path as a process in the machine would.
func (m *Machine) openPath(path string, flags uint64) (*os.File, error) {
	raw, err := m.root.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	how := &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	err = raw.Control(func(root uintptr) {
		for {
			// EAGAIN: something was renamed meanwhile, and the kernel can't tell
			// whether the path is still inside.
			fd, failed = unix.Openat2(int(root), path, how)
			if failed != unix.EINTR && failed != unix.EAGAIN {
				return
			}
		}
	})
	if err != nil {
		return nil, ErrClosed // the only error Control has
	}
	if failed != nil {
		return nil, &fs.PathError{Op: "openat2", Path: path, Err: failed}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// makePath opens a folder of the machine, and makes it and those above it if
// there is none.
func (m *Machine) makePath(path string) (*os.File, error) {
	dir, err := m.openPath(path, unix.O_PATH|unix.O_DIRECTORY)
	if !errors.Is(err, fs.ErrNotExist) || path == "/" {
		return dir, err
	}
	parent, err := m.makePath(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	err = os.Mkdir(filepath.Join(descriptorPath(parent), filepath.Base(path)), 0o755)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return m.openPath(path, unix.O_PATH|unix.O_DIRECTORY)
}

// descriptorPath names an open file by its descriptor, for calls that take a path.
// It holds while the file is open.
func descriptorPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// replaceFile writes data into a new file in dir and renames it to name.
//
// Nothing is forked meanwhile: a child has the file open for writing until it
// execs, and executing the file by then fails with ETXTBSY.
func replaceFile(dir, name string, data io.Reader, mode fs.FileMode) (err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fresh := filepath.Join(dir, fmt.Sprintf(".%s.%s", name, rand.Text()[:8]))
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(fresh)
		}
	}()
	_, err = io.Copy(f, data)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, name))
}
