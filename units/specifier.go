package units

import "strings"

// expand replaces the specifiers that stand for parts of the unit's own name, see
// "Specifiers" in systemd.unit(5), so that web@%i.socket in web@a.service is
// web@a.socket. Other specifiers stay. In a template itself, which has no instance,
// %i is empty: web@%i.socket is the template web@.socket.
func (u *Unit) expand(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	base := u.base()
	prefix, instance, _ := strings.Cut(base, "@")
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	return strings.NewReplacer(
		"%%", "%", "%n", u.Name, "%N", base,
		"%p", prefix, "%P", unescape(prefix),
		"%i", instance, "%I", unescape(instance),
		"%j", last, "%J", unescape(last),
	).Replace(s)
}

// unescape undoes systemd-escape(1): '-' is '/', \x2d is '-'.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '-':
			b.WriteByte('/')
		case s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' && isHex(s[i+2]) && isHex(s[i+3]):
			b.WriteByte(hex(s[i+2])<<4 | hex(s[i+3]))
			i += 3
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// sibling is the name of another unit as u's file has to write it: where both are
// the same instance of their templates, with %i.
func (u *Unit) sibling(name string) string {
	_, instance, ok := strings.Cut(u.base(), "@")
	before, after, found := strings.Cut(name, "@"+instance+".")
	if !ok || !found || template(name) == "" {
		return name
	}
	return before + "@%i." + after
}
