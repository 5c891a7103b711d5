package units

import (
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// wrapping is the kind of program between systemd and the program of ExecStart=.
type wrapping int

const (
	bare     wrapping = iota // nothing that stays: the program itself, or a wrapper that execs it
	mayStay                  // a shell with one command and no exec: some shells exec it, some do not
	stays                    // a wrapper that starts the program as its child
	contains                 // a container engine: the program is in another unit or namespace
)

// wrappers are the programs that are known to run another one. Those that exec it
// are bare.
var wrappers = map[string]wrapping{
	"env": bare, "nice": bare, "ionice": bare, "chrt": bare, "taskset": bare, "prlimit": bare, "choom": bare,
	"stdbuf": bare, "setpriv": bare, "numactl": bare, "setarch": bare, "capsh": bare, "nohup": bare, "chroot": bare,
	"systemd-cat": bare, "gosu": bare, "su-exec": bare, "chpst": bare, "softlimit": bare, "setuidgid": bare, "envdir": bare,
	"sudo": stays, "su": stays, "runuser": stays, "setsid": stays, "timeout": stays, "script": stays, "time": stays,
	"strace": stays, "ltrace": stays, "bwrap": stays, "dumb-init": stays, "tini": stays, "catatonit": stays,
	"start-stop-daemon": stays, "daemonize": stays, "systemd-run": stays, "systemd-inhibit": stays,
	"podman": contains, "docker": contains, "nerdctl": contains, "runc": contains, "crun": contains,
	"lxc-start": contains, "lxc-execute": contains, "systemd-nspawn": contains,
}

var shells = []string{"sh", "bash", "dash", "ash", "zsh", "ksh"}

// wrapped follows a command line through wrappers that exec, and names the program
// at its end and whether that one stays. A script is read in root; without one,
// nothing is known of scripts.
func wrapped(argv []string, root fs.FS) (by string, how wrapping) {
	for len(argv) > 0 {
		by = argv[0]
		name := path.Base(by)
		if slices.Contains(shells, name) {
			return shellRuns(argv, root)
		}
		kind, known := wrappers[name]
		switch {
		case !known && scriptForks(by, root):
			return by, stays
		case !known:
			return by, bare
		case kind != bare:
			return by, kind
		}
		// Its own options do not matter; the next command is a path, or known itself.
		argv = argv[1:]
		for len(argv) > 0 && !path.IsAbs(argv[0]) && !slices.Contains(shells, argv[0]) && wrappers[argv[0]] == bare {
			argv = argv[1:]
		}
	}
	return by, bare
}

// shellRuns is about a command line that begins with a shell.
func shellRuns(argv []string, root fs.FS) (by string, how wrapping) {
	for i, arg := range argv[1:] {
		switch {
		case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(arg, "c"):
			if rest := argv[1+i+1:]; len(rest) > 0 {
				return argv[0], shellLine(rest[0])
			}
		case strings.HasPrefix(arg, "-"), strings.HasPrefix(arg, "+"):
		default:
			if scriptForks(arg, root) {
				return arg, stays
			}
			return arg, bare
		}
	}
	return argv[0], stays // its commands come from elsewhere
}

// execs finds the exec of a program in a shell script. One with nothing but
// redirections, such as `exec 2>&1`, is none.
var execs = regexp.MustCompile(`(?m)(?:^|[;&|{(]|\b(?:then|do|else)\b)\s*(?:[A-Za-z_]\w*=\S*\s+)*exec\s+(?:-\w+\s+)*[^\s<>|&;\d]`)

func shellLine(script string) wrapping {
	switch {
	case execs.MatchString(script):
		return bare
	case strings.ContainsAny(script, ";&|\n(){}"):
		return stays
	}
	return mayStay
}

// scriptForks reports whether a file is a shell script that execs nothing.
func scriptForks(file string, root fs.FS) bool {
	text, ok := readHead(root, file)
	if !ok || !strings.HasPrefix(text, "#!") {
		return false
	}
	first, _, _ := strings.Cut(text[2:], "\n")
	interpreter := slices.IndexFunc(strings.Fields(first), func(word string) bool { return slices.Contains(shells, path.Base(word)) })
	return interpreter >= 0 && !execs.MatchString(text)
}

// readHead is a file of the machine that runs the units; ok is false if it is not
// known, or longer than any script is.
func readHead(root fs.FS, file string) (text string, ok bool) {
	const most = 64 << 10
	if root == nil || !path.IsAbs(file) {
		return "", false
	}
	f, err := root.Open(inRoot(file))
	if err != nil {
		return "", false
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	return string(content), err == nil && len(content) <= most
}

// inRoot is an absolute path as fs.FS has it.
func inRoot(file string) string {
	if file = strings.TrimPrefix(path.Clean(file), "/"); file != "" {
		return file
	}
	return "."
}
