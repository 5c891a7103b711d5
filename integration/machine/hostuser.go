package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lowest is the lowest systemd that Instar supports.
const lowest = 254

// HostUser returns the user manager of this very host, for tests without root and
// without a machine. The error has [ErrNoUserManager], and says why, when the
// host's systemd is older than 254 or this process has no user session.
//
// Units are installed below XDG_RUNTIME_DIR, so that the next boot has forgotten
// them; a test removes its own all the same.
func HostUser(ctx context.Context) (*Manager, error) {
	session := os.Getenv("XDG_RUNTIME_DIR")
	if session == "" {
		return nil, fmt.Errorf("machine: %w: XDG_RUNTIME_DIR is not set; log in, or loginctl enable-linger", ErrNoUserManager)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("machine: %w: %w", ErrNoUserManager, err)
	}
	g := &Manager{
		host: thisHost{}, what: "user manager", scope: "--user",
		units: filepath.Join(session, "systemd/user"), dir: filepath.Join(cache, "instar/run"),
	}
	// The manager's own word: the systemctl beside it may be of another version.
	text, err := g.Systemctl(ctx, "show", "--property=Version")
	if err != nil {
		return nil, fmt.Errorf("machine: %w: %w", ErrNoUserManager, err)
	}
	version := parseProperties(text)["Version"]
	major, err := managerMajor(version)
	if err != nil {
		return nil, fmt.Errorf("machine: %w: %w", ErrNoUserManager, err)
	}
	if major < lowest {
		return nil, fmt.Errorf("machine: %w: it is systemd %s, and Instar needs %d or later", ErrNoUserManager, version, lowest)
	}
	return g, nil
}

// managerMajor reads the Version property of a manager, such as
// "257.13-1~deb13u1" or "v255~rc1".
func managerMajor(version string) (int, error) {
	digits := strings.TrimPrefix(version, "v")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		digits = digits[:end]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("it says its version is %q", version)
	}
	return major, nil
}
