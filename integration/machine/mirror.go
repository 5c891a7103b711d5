package machine

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const defaultMirror = "http://deb.debian.org/debian"

// MirrorVariable names the environment variable with the Debian mirror to build
// images from. Without it, the mirror is the one that the host's apt uses.
const MirrorVariable = "INSTAR_MIRROR"

// mirror returns the Debian mirror to build images from.
func mirror() string {
	if m := os.Getenv(MirrorVariable); m != "" {
		return m
	}
	lists, _ := filepath.Glob("/etc/apt/sources.list.d/*")
	slices.Sort(lists)
	for _, list := range append([]string{"/etc/apt/sources.list"}, lists...) {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		if m := findMirror(string(text)); m != "" {
			return m
		}
	}
	return defaultMirror
}

// findMirror returns the first mirror of the Debian archive that a list of apt
// sources names, in either format of sources.list(5), or "".
//
// A mirror is known by its path, which ends in /debian everywhere: archives of
// other things (debian-security, a vendor's packages) have another.
func findMirror(sources string) string {
	for line := range strings.Lines(sources) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		// A value may be continued on the next lines of a .sources file, but
		// the first URI stands beside its field.
		if fields[0] != "deb" && fields[0] != "URIs:" {
			continue
		}
		for _, field := range fields[1:] {
			u, err := url.Parse(field)
			if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				continue
			}
			if strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/debian") {
				return strings.TrimRight(field, "/")
			}
		}
	}
	return ""
}
