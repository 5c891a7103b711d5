package units

import (
	"fmt"
	"path"
	"strings"
)

// program is the path that ExecStart= starts; "" when it is not known from the
// unit alone: no such line, a specifier, a root of its own.
func (u *Unit) program() string {
	d, _ := u.last("Service", "ExecStart")
	c := parseCommand(d.Value)
	for _, root := range []string{"RootDirectory", "RootImage"} {
		if _, ok := u.last("Service", root); ok {
			return ""
		}
	}
	if !path.IsAbs(c.path) || strings.Contains(strings.ReplaceAll(c.path, "%%", ""), "%") {
		return ""
	}
	return path.Clean(strings.ReplaceAll(c.path, "%%", "%"))
}

// hidden says which line hides the program from the service and how, in words
// that follow its path; how is "" if nothing does.
func (u *Unit) hidden(program string) (at Directive, how string) {
	if _, bound := u.bound(program); !bound {
		if at, how = u.covered(program); how != "" {
			return at, how
		}
	}
	return u.notExecutable(program)
}

// pinned finds the line that ties the program to the file that is there now, and
// the line to write instead; "" if none does. A mount of a file stays with that
// file when another takes its name. (Where the mount is on top of the very name,
// the rename takes it away: no harm.)
func (u *Unit) pinned(program string) (at Directive, write string) {
	if d, bound := u.bound(program); bound {
		source, target := bind(d.Value)
		_, how := u.covered(program)
		if target == program && (source != target || how != "") {
			return d, d.Name + "=" + bindLine(path.Dir(source), path.Dir(target))
		}
	}
	for _, d := range u.list("Service", "ExecPaths") {
		words := splitWords(d.Value)
		for i, word := range words {
			if path.Clean(mountPath(word)) == program {
				words[i] = path.Dir(program)
				return d, d.Name + "=" + quoteWords(words)
			}
		}
	}
	return Directive{}, ""
}

// covered is hidden without the paths that bind mounts bring back.
func (u *Unit) covered(program string) (at Directive, how string) {
	for _, h := range []struct {
		name, other string // the other value that hides, besides "yes"
		folders     []string
	}{
		{"ProtectHome", "tmpfs", []string{"/home", "/root", "/run/user"}},
		{"PrivateTmp", "disconnected", []string{"/tmp", "/var/tmp"}},
		{"DynamicUser", "", []string{"/tmp", "/var/tmp"}}, // implies PrivateTmp=
	} {
		d, ok := u.last("Service", h.name)
		if !ok || !u.is("Service", h.name) && d.Value != h.other {
			continue
		}
		for _, folder := range h.folders {
			if within(program, folder) {
				return d, fmt.Sprintf("is hidden by %s=%s", h.name, d.Value)
			}
		}
	}
	for _, name := range []string{"InaccessiblePaths", "TemporaryFileSystem"} {
		for _, d := range u.list("Service", name) {
			for _, word := range splitWords(d.Value) {
				folder := mountPath(word)
				if name == "TemporaryFileSystem" {
					folder, _, _ = strings.Cut(folder, ":") // its options
				}
				if within(program, path.Clean(folder)) {
					return d, fmt.Sprintf("is hidden by %s=%s", name, word)
				}
			}
		}
	}
	return Directive{}, ""
}

// bound returns the bind mount that brings the program back, as a line of its
// own.
func (u *Unit) bound(program string) (at Directive, ok bool) {
	for _, name := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, d := range u.list("Service", name) {
			for _, word := range splitWords(d.Value) {
				if _, target := bind(word); within(program, target) {
					at, ok = d, true
					at.Value = word
				}
			}
		}
	}
	return at, ok
}

// bind takes a word of BindPaths= apart: SOURCE[:TARGET[:OPTIONS]].
func bind(word string) (source, target string) {
	source, rest, _ := strings.Cut(mountPath(word), ":")
	target, _, _ = strings.Cut(rest, ":")
	if target == "" {
		target = source
	}
	return path.Clean(source), path.Clean(target)
}

func bindLine(source, target string) string {
	if source == target {
		return source
	}
	return source + ":" + target
}

// notExecutable says which NoExecPaths= forbids the program. Of NoExecPaths= and
// ExecPaths= the path that names more of it counts.
func (u *Unit) notExecutable(program string) (at Directive, how string) {
	longest := 0
	for _, name := range []string{"NoExecPaths", "ExecPaths"} {
		for _, d := range u.list("Service", name) {
			for _, word := range splitWords(d.Value) {
				folder := path.Clean(mountPath(word))
				if !within(program, folder) || len(folder) < longest {
					continue
				}
				longest = len(folder)
				at, how = d, ""
				if name == "NoExecPaths" {
					how = "may not be executed because of NoExecPaths=" + word
				}
			}
		}
	}
	return at, how
}

// mountPath takes the prefixes off that a path may have in systemd.exec(5):
// '-' for one that may be missing, '+' for one below RootDirectory=.
func mountPath(word string) string { return strings.TrimLeft(word, "-+") }
