package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/units"

	"golang.org/x/sys/unix"
)

// holder is the process that has the entries of stores open: systemd. Its descriptors
// are known by device and inode, which systemd tells of each entry.
type holder struct {
	pid     int
	numbers map[inode]string // its descriptors
	refused error            // why they cannot be seen
}

type inode struct {
	major, minor uint32
	number       uint64
}

// holderOf looks at the descriptors of a process, see proc(5). It needs the right to
// trace it, ptrace(2): root's, or that of its user.
func holderOf(pid int) holder {
	h := holder{pid: pid, numbers: make(map[inode]string)}
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(folder)
	for _, f := range files {
		var st unix.Stat_t
		switch err := unix.Stat(folder+"/"+f.Name(), &st); {
		case err == nil:
			h.numbers[inode{unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino}] = f.Name()
		case !errors.Is(err, fs.ErrNotExist): // which it has closed meanwhile
			h.refused = &fs.PathError{Op: "stat", Path: folder + "/" + f.Name(), Err: err}
		}
	}
	if err != nil {
		h.refused = err
	}
	if errors.Is(h.refused, fs.ErrPermission) {
		h.refused = fmt.Errorf("%w: run it as root", h.refused)
	}
	return h
}

// errMoved: the store has changed since it was listed.
var errMoved = errors.New("systemd does not hold it any more")

// find is the number of the entry's descriptor in the process.
func (h holder) find(e units.StoreEntry) (string, error) {
	if h.refused != nil {
		return "", h.refused
	}
	number, ok := h.numbers[inode{e.DeviceMajor, e.DeviceMinor, e.Inode}]
	if !ok {
		return "", errMoved
	}
	return number, nil
}

// contents reads limit bytes of a memory file at most; 0: all of it. It is opened anew,
// for reading: no offset is shared. The descriptor may be another one than was listed,
// so opening must not block, as it does for a FIFO.
func (h holder) contents(ctx context.Context, e units.StoreEntry, limit int64) (memfile.Contents, error) {
	number, err := h.find(e)
	if err != nil {
		return memfile.Contents{}, err
	}
	if !e.Mode.IsRegular() {
		return memfile.Contents{}, fmt.Errorf("it is no file but a %s", typeName(e.Mode))
	}
	file, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/%s", h.pid, number), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return memfile.Contents{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return memfile.Contents{}, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Ino != e.Inode || !info.Mode().IsRegular() {
		return memfile.Contents{}, errMoved
	}
	return memfile.Inspect(interruptible{ctx, file}, info.Size(), limit, e.Name)
}

// interruptible is a file that cannot be read any more once ctx has ended.
type interruptible struct {
	ctx  context.Context
	file io.ReaderAt
}

func (r interruptible) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.ReadAt(p, off)
}

// queued is how many descriptors a socket's queue holds.
func (h holder) queued(e units.StoreEntry) (int, error) {
	number, err := h.find(e)
	if err != nil {
		return 0, err
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/fdinfo/%s", h.pid, number))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return parseQueued(file, e.Inode)
}

// parseQueued reads fdinfo of proc(5), which has scm_fds for Unix sockets since
// Linux 5.12. The socket must be the one of that inode, where the kernel tells (5.14).
func parseQueued(r io.Reader, inode uint64) (int, error) {
	lines := bufio.NewScanner(r)
	n := -1
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "ino":
			if value != strconv.FormatUint(inode, 10) {
				return 0, errMoved
			}
		case "scm_fds":
			var err error
			if n, err = strconv.Atoi(value); err != nil || n < 0 {
				return 0, fmt.Errorf("scm_fds in /proc/PID/fdinfo is %q", value)
			}
		}
	}
	if n < 0 {
		return 0, errors.Join(lines.Err(), errors.New("the kernel does not tell how many descriptors are in its queue"))
	}
	return n, nil
}
