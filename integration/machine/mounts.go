package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// hierarchies are the places where this host has its cgroup hierarchies mounted.
type hierarchies struct {
	unified string   // cgroup2
	legacy  []string // version 1, any number of them
}

// mountedHierarchies reads them from this process's mount table.
func mountedHierarchies() (hierarchies, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return hierarchies{}, fmt.Errorf("machine: find the cgroup hierarchies: %w", err)
	}
	h := parseHierarchies(string(text))
	if h.unified == "" {
		return hierarchies{}, fmt.Errorf("machine: %w: no cgroup2 hierarchy is mounted; "+
			"mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified", ErrUnsupported)
	}
	return h, nil
}

// parseHierarchies reads proc_pid_mountinfo(5). Of several mounts of cgroup2 the
// first counts. A line that isn't understood is no cgroup mount.
func parseHierarchies(mountinfo string) hierarchies {
	var h hierarchies
	for line := range strings.Lines(mountinfo) {
		// 30 23 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw
		mount, filesystem, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		switch kind, _, _ := strings.Cut(filesystem, " "); {
		case kind == "cgroup2" && h.unified == "":
			h.unified = point
		case kind == "cgroup":
			h.legacy = append(h.legacy, point)
		}
	}
	return h
}

// unescape undoes the octal escapes that the kernel writes for white space and
// backslashes in a mount point.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) >= 3 {
			if c, err := strconv.ParseUint(after[:3], 8, 8); err == nil {
				b.WriteByte(byte(c))
				s = after[3:]
				continue
			}
		}
		b.WriteByte('\\')
		s = after
	}
}
