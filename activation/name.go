package activation

import (
	"strings"

	"github.com/instar-project/instar/internal/fdname"
)

// The names systemd itself gives, see sd_listen_fds_with_names(3).
const (
	nameUnknown    = "unknown"
	nameStored     = "stored"
	nameConnection = "connection"
)

func reserved(name string) bool { return strings.HasPrefix(name, fdname.ReservedPrefix) }

// socketUnit is how an error points at the unit file that a socket of that name
// comes from. Without FileDescriptorName= the name is the unit's own.
func socketUnit(name string) string {
	if strings.HasSuffix(name, ".socket") {
		return name
	}
	switch name {
	case nameUnknown, nameStored, nameConnection:
		return "the .socket unit"
	}
	return "the .socket unit with FileDescriptorName=" + name
}
