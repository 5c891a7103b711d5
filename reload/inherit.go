package reload

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// withoutOthers appends to files, which a process is to have as its first descriptors, a
// nil for each that it would inherit besides: that closes it there. Descriptors that the
// program has opened without O_CLOEXEC on purpose stay as they are, for its own
// children.
func withoutOthers(files []*os.File) []*os.File {
	for fd := range tableSize() {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		for len(files) <= fd {
			files = append(files, nil)
		}
	}
	return files
}

// tableSize is above the number of every descriptor: the kernel tells the size of the
// table, which is not much above the open ones.
func tableSize() int {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "FDSize:"); ok {
			if size, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return size
			}
		}
	}
	return 1 << 10
}
