package units

import "strings"

// Unit is the content of a unit: the lines of its file and its drop-ins in the
// order in which systemd reads them, or the properties of a live unit as such
// lines.
type Unit struct {
	Name       string      // "web.service"
	File       string      // the unit file; "" for a live unit
	Directives []Directive // every assignment, in order
	Problems   []Finding   // lines that are no unit file syntax, which systemd ignores
}

// Directive is one assignment in a unit file.
type Directive struct {
	Section, Name, Value string // continued lines joined, quotes and escapes left in
	File                 string // "" for a live unit
	Line                 int    // where it begins, from 1; 0 without File
}

// Pair is a service and the sockets it is passed. Service is nil when there is
// none. SameUser are other services that run as the same user and have a file
// descriptor store, if this one has both. Running is how the service runs, see
// [Conn.Running]; nil: not known.
type Pair struct {
	Service  *Unit
	Sockets  []*Unit
	SameUser []*Unit
	Running  *Running
}

// last returns the line that counts for a setting that has one value: the last line
// of that name. Without one, or when that one is empty, which is systemd's way of
// taking it back, ok is false and the Directive has no more than its name.
func (u *Unit) last(section, name string) (d Directive, ok bool) {
	d = Directive{Section: section, Name: name}
	for _, each := range u.Directives {
		if each.Section == section && each.Name == name {
			d = each
		}
	}
	return d, d.Value != ""
}

// list returns the lines that count for a setting that adds up: every line of that
// name since the last empty one. Dependencies cannot be taken back, see
// systemd.unit(5).
func (u *Unit) list(section, name string) []Directive {
	var list []Directive
	for _, d := range u.Directives {
		switch {
		case d.Section != section || d.Name != name:
		case d.Value == "" && section != "Unit":
			list = nil
		case d.Value != "":
			list = append(list, d)
		}
	}
	return list
}

// words are the words of all lines of a setting that adds up.
func (u *Unit) words(section, name string) []string {
	var words []string
	for _, d := range u.list(section, name) {
		words = append(words, splitWords(d.Value)...)
	}
	return words
}

// value is the last value of a setting, or systemd's default.
func (u *Unit) value(section, name, without string) string {
	if d, ok := u.last(section, name); ok {
		return d.Value
	}
	return without
}

// is reports whether a boolean setting is on.
func (u *Unit) is(section, name string) bool {
	d, ok := u.last(section, name)
	on, err := parseBool(d.Value)
	return ok && err == nil && on
}

// Starts is the service that a connection to a socket unit starts: the one it names
// (Service=), or the one of its own name.
func (u *Unit) Starts() string { return u.expand(u.value("Socket", "Service", u.base()+".service")) }

// user is the user that a service runs as; "root" is also for a user's own
// services.
func (u *Unit) user() string {
	prefix, _, _ := strings.Cut(u.base(), "@")
	switch user := u.expand(u.value("Service", "User", "")); {
	case user == "" && u.is("Service", "DynamicUser"):
		return prefix
	case user == "", user == "0":
		return "root"
	default:
		return user
	}
}

// stores reports whether a service has a file descriptor store, and a user whose limits
// count: root's do not.
func (u *Unit) stores() bool {
	return u.burst("Service", "FileDescriptorStoreMax", 0) > 0 && u.user() != "root"
}

// base is the name without its suffix, "web" of "web.service".
func (u *Unit) base() string {
	if i := strings.LastIndexByte(u.Name, '.'); i >= 0 {
		return u.Name[:i]
	}
	return u.Name
}
