package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// systemd refuses MAINPID= of a process that is not in the unit's control group, and
// says so in its journal alone. A session of pam_systemd (PAMName=) moves a service
// elsewhere. An upgrade would end with two generations that accept then, and neither
// `systemctl stop` nor a restart would end the one that systemd does not know.

// errElsewhere: this process is not in the control group of its unit.
var errElsewhere = errors.New("is not that of the unit, so systemd would refuse the next main process")

// checkCgroup returns an error that wraps errElsewhere if this process was moved. nil:
// it was not, or that cannot be told, as where /sys/fs/cgroup is hidden.
func checkCgroup(invocation string) error {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	return elsewhere(string(text), invocation, func(cgroup string) string {
		id := make([]byte, 64)
		n, err := unix.Getxattr(filepath.Join("/sys/fs/cgroup", cgroup), "user.invocation_id", id)
		if err != nil {
			return ""
		}
		return string(id[:n])
	})
}

// elsewhere is checkCgroup for the text of cgroups(7). systemd marks the control group of
// each unit with the invocation ID that its processes have in $INVOCATION_ID.
func elsewhere(text, invocation string, idOf func(cgroup string) string) error {
	if invocation == "" {
		return nil
	}
	for line := range strings.Lines(text) {
		cgroup, unified := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !unified {
			continue
		}
		for own := cgroup; ; own = filepath.Dir(own) {
			switch id := idOf(own); {
			case strings.HasPrefix(filepath.Base(own), "user@"):
				return nil // a user's manager may mark nothing below its own
			case id == invocation:
				return nil
			case id != "":
				return fmt.Errorf("the control group %s %w: take PAMName= out of [Service], or pam_systemd out of its stack; see systemd.exec(5)", cgroup, errElsewhere)
			}
			if own == "/" || own == "." {
				return nil
			}
		}
	}
	return nil
}
