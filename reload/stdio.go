package reload

import (
	"fmt"
	"os"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

// stdio are duplicates of descriptors 0 to 2 as this process was started with them. The
// program may close those, or put a pipe of its own in the place of os.Stderr: a
// successor that wrote to that one would die of SIGPIPE when this process has gone.
var stdio = [3]*os.File{duplicate(0), duplicate(1), duplicate(2)}

// duplicate returns /dev/null for a descriptor that is closed, and nil without that.
func duplicate(fd uintptr) *os.File {
	// From 10 on: the numbers before may be sockets that systemd has passed.
	if dup, err := descriptor.Duplicate(int(fd), 10); err == nil {
		return os.NewFile(uintptr(dup), fmt.Sprintf("descriptor %d", fd))
	}
	null, _ := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	return null
}

// logs are the paths of stdout and stderr where these are regular files, as
// StandardOutput=append: and file: make them; "" else. Once such a file was renamed,
// its path is only known from an earlier look, so generations pass it on.
type logs [2]string

// maxLogPath leaves room in the message that passes them on.
const maxLogPath = 1 << 10

// findLogs looks at the descriptors of this process.
func findLogs() (found logs) {
	for i := range found {
		f := stdio[i+1]
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		if err == nil && isAt(f, path) && len(path) <= maxLogPath {
			found[i] = path
		}
	}
	return found
}

// isAt reports whether f is the regular file that has that path now.
func isAt(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil || !ours.Mode().IsRegular() {
		return false
	}
	theirs, err := os.Stat(path)
	return err == nil && os.SameFile(ours, theirs)
}

// successorStdio returns the descriptors 0 to 2 of a successor: those of this process,
// but for a rotated log file the new one, as after a restart. left names those that
// could not be opened; the caller closes opened.
func (l *launcher) successorStdio() (files []*os.File, opened []*os.File, left []string) {
	files = append(files, stdio[:]...)
	for i, path := range l.logs {
		f := files[i+1]
		if path == "" || isAt(f, path) {
			continue
		}
		if i == 1 && path == l.logs[0] {
			files[2] = files[1] // one file for both, as systemd opens it
			continue
		}
		anew, err := openLog(path, f)
		if err != nil {
			directive := []string{"StandardOutput", "StandardError"}[i]
			left = append(left, fmt.Sprintf("%s=%s: it was rotated, and the service goes on with the old file: %v", directive, path, err))
			continue
		}
		files[i+1] = anew
		opened = append(opened, anew)
	}
	return files, opened, left
}

// openLog opens the log file of that path in the place of old, or makes it.
func openLog(path string, old *os.File) (*os.File, error) {
	mode := os.FileMode(0o640)
	if info, err := old.Stat(); err == nil {
		mode = info.Mode().Perm()
	}
	// Not to wait for a reader if it is a FIFO now.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOCTTY|unix.O_NONBLOCK, mode)
	if err != nil {
		return nil, err
	}
	if !isAt(f, path) {
		f.Close()
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
