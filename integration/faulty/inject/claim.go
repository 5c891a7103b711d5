package inject

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// claim is a lock on a file that a process has while it accepts, or writes to the store,
// which only one may do. It is the kernel's word, not the library's: it ends with the
// process, however that ends, and no child inherits it.
type claim struct {
	file *os.File
	held bool
}

func openClaim(path string) (*claim, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	_ = f.Chmod(0o666) // made by another user, maybe; a DynamicUser= changes
	return &claim{file: f}, nil
}

// take returns 0, or the PID of the process that has the claim and lives. One that has
// just died may share its descriptors with a helper that has still to follow it.
func (c *claim) take() (other int) {
	for {
		if err := unix.FcntlFlock(c.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err == nil {
			c.held = true
			return 0
		}
		found := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(c.file.Fd(), unix.F_GETLK, &found); err != nil {
			panic(err) // a proof that cannot look
		}
		if found.Type != unix.F_UNLCK && lives(int(found.Pid)) {
			return int(found.Pid)
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *claim) drop() {
	c.held = false
	if err := unix.FcntlFlock(c.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK}); err != nil {
		panic(err)
	}
}

// lives reports whether a process runs: neither gone nor a zombie.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, ok := strings.Cut(string(stat), ") ")
	return err == nil && ok && after[0] != 'Z' && after[0] != 'X'
}
