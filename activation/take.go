package activation

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Take takes over the descriptors that systemd passed to this process, as the
// environment says, marks them close-on-exec and returns the [Set]
// that owns them. It unsets the LISTEN_* variables in any case, so it finds
// something only once; call it before anything else may start a process.
//
// No descriptors at all is no error: the Set is empty, and its getters say why.
// On an error ([ErrMalformed]) no descriptor has been touched.
func Take() (*Set, error) {
	pid := os.Getpid()
	var pidfdid uint64
	if _, set := os.LookupEnv(envPIDFDID); set {
		pidfdid = ownPIDFDID()
	}
	env, err := parse(os.LookupEnv, pid, pidfdid)
	var absent absence
	if err == nil && env.FDs == 0 {
		absent = whyAbsent(os.LookupEnv, pid)
	}
	for _, v := range []string{envPID, envPIDFDID, envFDs, envFDNames} {
		os.Unsetenv(v)
	}
	if err != nil {
		return nil, err
	}
	if err := adopt(env.FDs); err != nil {
		return nil, err
	}
	s := &Set{absent: absent}
	for i, name := range env.Names {
		s.entries = append(s.entries, Entry{Name: name, FD: firstFD + i})
	}
	return s, nil
}

// adopt marks the passed descriptors close-on-exec, if every one was passed.
func adopt(n int) error {
	for fd := firstFD; fd < firstFD+n; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		switch {
		case err != nil:
			return malformed(envFDs, strconv.Itoa(n), "fd %d is not open", fd)
		case flags&unix.FD_CLOEXEC != 0:
			// Nothing marked so survives exec: it is ours (the poller of Go's
			// runtime, say), or a socket that someone here has taken before.
			return malformed(envFDs, strconv.Itoa(n), "fd %d was not passed, or has been taken already: it is marked close-on-exec", fd)
		}
	}
	for fd := firstFD; fd < firstFD+n; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return fmt.Errorf("activation: mark fd %d close-on-exec: %w", fd, err)
		}
	}
	return nil
}

// ownPIDFDID returns the inode number of a pidfd of this process, 0 where it
// says nothing: without pidfs all pidfds share one inode, and on 32 bits the
// number does not fit the inode. 0 also if a system-call filter is in the way.
func ownPIDFDID() uint64 {
	if strconv.IntSize < 64 {
		return 0
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.PID_FS_MAGIC {
		return 0
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0
	}
	return stat.Ino
}
