package activation

import "strings"

// ReservedPrefix begins the names of the library's own entries in systemd's file
// descriptor store. No socket can have such a name: see [ErrInvalidName].
const ReservedPrefix = "instar."

// The names systemd itself gives, see sd_listen_fds_with_names(3).
const (
	nameUnknown    = "unknown"
	nameStored     = "stored"
	nameConnection = "connection"
)

// NameProblem says why name is unfit for FileDescriptorName= (and FDNAME=), see
// systemd.socket(5), in words that follow the name; "" if it is fit. Reserved names
// ([ReservedPrefix]) are fit.
func NameProblem(name string) string {
	const longest = 255 // FDNAME_MAX of systemd
	switch {
	case name == "":
		return "is empty"
	case len(name) > longest:
		return "is longer than 255 characters"
	}
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return "holds a character other than printable ASCII without ':'"
		}
	}
	return ""
}

func reserved(name string) bool { return strings.HasPrefix(name, ReservedPrefix) }

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
