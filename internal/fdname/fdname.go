// Package fdname has the rules for names of descriptors: FileDescriptorName= of
// systemd.socket(5), and FDNAME= of sd_notify(3).
package fdname

// ReservedPrefix begins the names of the library's own entries in systemd's file
// descriptor store. No socket can have such a name.
const ReservedPrefix = "instar."

// Problem says why name is unfit for FileDescriptorName= (and FDNAME=), see
// systemd.socket(5), in words that follow the name; "" if it is fit. Reserved names
// ([ReservedPrefix]) are fit.
func Problem(name string) string {
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
