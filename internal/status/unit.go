package status

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNoUnit: this process belongs to no service of systemd.
var ErrNoUnit = errors.New("this process belongs to no service of systemd")

// ownUnit is the unit that this process belongs to, and whether a user's manager
// runs it.
func ownUnit() (unit string, user bool, err error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", false, fmt.Errorf("status: %w", err)
	}
	unit, user, ok := parseCgroup(string(text))
	if !ok {
		return "", false, fmt.Errorf("status: %w: /proc/self/cgroup names none (with a cgroup namespace of the unit's own, set Config.Unit)", ErrNoUnit)
	}
	return unit, user, nil
}

// parseCgroup finds the service in the text of /proc/self/cgroup, see cgroups(7). A
// manager of a user is a service itself, user@UID.service; units below it are the
// user's. Below a service there may be cgroups of its own (Delegate=).
func parseCgroup(text string) (unit string, user, ok bool) {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, _ := strings.Cut(rest, ":")
		if controllers != "" && controllers != "name=systemd" {
			continue
		}
		unit, user = "", false
		for element := range strings.SplitSeq(path, "/") {
			// systemd puts '_' before a name that the kernel might take for its own.
			element = strings.TrimPrefix(element, "_")
			if !strings.HasSuffix(element, ".service") || element == ".service" {
				continue
			}
			if strings.HasPrefix(element, "user@") && !user {
				unit, user = "", true
				continue
			}
			unit = element
			break
		}
		if unit != "" {
			return unit, user, true
		}
	}
	return "", false, false
}
