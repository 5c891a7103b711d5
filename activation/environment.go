package activation

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/fdname"
)

// The variables of sd_listen_fds(3).
const (
	envPID     = "LISTEN_PID"
	envPIDFDID = "LISTEN_PIDFDID"
	envFDs     = "LISTEN_FDS"
	envFDNames = "LISTEN_FDNAMES"
)

const (
	// firstFD is SD_LISTEN_FDS_START: passed descriptors begin right after stdio.
	firstFD = 3

	// maxFDs is the kernel's own default limit for one process (fs.nr_open). A
	// larger number is a mistake, and must not become an allocation.
	maxFDs = 1 << 20
)

// environment is the content of the LISTEN_* variables: the descriptors 3 to
// 3+FDs-1 were passed to this process. The zero value means none.
type environment struct {
	// FDs is how many descriptors were passed.
	FDs int

	// Names has FDs elements: Names[i] is the name of descriptor 3+i, "unknown" if
	// it came without one. Names may repeat.
	Names []string
}

// parse reads the LISTEN_* variables through lookup (as [os.LookupEnv]) for the
// process pid, as sd_listen_fds_with_names(3) does, but strictly: a value that
// systemd would not write is an environmentError.
//
// Pidfdid is the inode number of a pidfd of the process, to compare with
// $LISTEN_PIDFDID; 0 means that it is not known, and the comparison is left out.
//
// When the variables are not set, or are for another process, parse returns the
// zero environment and no error. It has no effect on anything: see [Take] for
// the effects.
func parse(lookup func(key string) (string, bool), pid int, pidfdid uint64) (environment, error) {
	ours, err := addressedTo(lookup, pid, pidfdid)
	if err != nil || !ours {
		return environment{}, err
	}
	value, set := lookup(envFDs)
	if !set {
		return environment{}, nil
	}
	fds, err := parseDecimal(envFDs, value, maxFDs)
	if err != nil {
		return environment{}, err
	}
	names, err := parseNames(lookup, int(fds))
	if err != nil {
		return environment{}, err
	}
	return environment{FDs: int(fds), Names: names}, nil
}

// addressedTo reports whether the variables are meant for the process pid.
// Variables are inherited, descriptors marked close-on-exec are not: a
// grandchild sees the first without the second, which is why systemd adds a PID,
// and, because a PID is used again one day, the inode number of the pidfd.
func addressedTo(lookup func(string) (string, bool), pid int, pidfdid uint64) (bool, error) {
	value, set := lookup(envPID)
	if !set {
		return false, nil
	}
	forPID, err := parseDecimal(envPID, value, math.MaxInt32)
	if err != nil || forPID != uint64(pid) {
		return false, err
	}
	value, set = lookup(envPIDFDID)
	if !set {
		return true, nil
	}
	forID, err := parseDecimal(envPIDFDID, value, math.MaxUint64)
	if err != nil {
		return false, err
	}
	return pidfdid == 0 || forID == pidfdid, nil
}

// parseNames returns one name for each of fds descriptors.
func parseNames(lookup func(string) (string, bool), fds int) ([]string, error) {
	value, set := lookup(envFDNames)
	if !set {
		names := make([]string, fds)
		for i := range names {
			names[i] = nameUnknown
		}
		return names, nil
	}
	if n := strings.Count(value, ":") + 1; n != fds {
		return nil, malformed(envFDNames, value, "the number of names (separated by ':') is %d, but %s is %d", n, envFDs, fds)
	}
	names := strings.Split(value, ":")
	for i, name := range names {
		// systemd-socket-activate leaves names it was not given empty.
		if name == "" {
			names[i] = nameUnknown
			continue
		}
		if problem := fdname.Problem(name); problem != "" {
			return nil, malformed(envFDNames, value, "name %d, %q, %s", i+1, name, problem)
		}
	}
	return names, nil
}

// parseDecimal reads a number from 1 to limit in the one way systemd writes it:
// no sign, no space, no base, no leading zero.
func parseDecimal(variable, value string, limit uint64) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n == 0 || n > limit || strconv.FormatUint(n, 10) != value {
		return 0, malformed(variable, value, "not a decimal number from 1 to %d", limit)
	}
	return n, nil
}

func malformed(variable, value, format string, args ...any) error {
	return &environmentError{Variable: variable, Value: value, Problem: fmt.Sprintf(format, args...)}
}
