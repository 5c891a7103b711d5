package units

import (
	"encoding/hex"
	"strings"
)

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
	for s != "" {
		if code, ok := strings.CutPrefix(s, `\x`); ok && len(code) >= 2 {
			if c, err := hex.DecodeString(code[:2]); err == nil {
				b.Write(c)
				s = code[2:]
				continue
			}
		}
		if c := s[0]; c == '-' {
			b.WriteByte('/')
		} else {
			b.WriteByte(c)
		}
		s = s[1:]
	}
	return b.String()
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
