package soak

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/instar-project/instar/integration/faulty/site"
)

// sample is a measurement of one process.
type sample struct{ descriptors, threads int }

func takeSample(pid int) (s sample, err error) {
	for _, one := range []struct {
		folder string
		n      *int
	}{{"fd", &s.descriptors}, {"task", &s.threads}} {
		entries, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(pid), one.folder))
		if err != nil {
			return s, err
		}
		*one.n = len(entries)
	}
	return s, nil
}

// anonymous is the memory of a process that is its own, in KiB: proc_pid_smaps(5).
func anonymous(pid int) (kib int, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "Anonymous:"); ok {
			_, err := fmt.Sscan(value, &kib)
			return kib, err
		}
	}
	return 0, fmt.Errorf("%s has no Anonymous", f.Name())
}

// zombies counts the dead processes of a machine that were not waited for.
func zombies(s *site.Site) (n int, err error) {
	stats, err := filepath.Glob(filepath.Join(s.Machine.Root(), "proc/[0-9]*/stat"))
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has gone meanwhile
		}
		if _, after, ok := strings.Cut(string(text), ") "); ok && after[0] == 'Z' {
			n++
		}
	}
	return n, err
}

// growth is the median of the last of values over that of the first, n each.
func growth(values []int, n int) (first, last int, ratio float64) {
	n = min(n, len(values)/2)
	if n == 0 {
		return 0, 0, 1
	}
	first, last = median(values[:n]), median(values[len(values)-n:])
	return first, last, float64(last) / float64(max(first, 1))
}

func median(values []int) int {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
