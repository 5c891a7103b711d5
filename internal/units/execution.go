package units

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Execution is how systemd would start a live service now, as far as its properties
// tell. A process that it has started earlier may have got something else.
type Execution struct {
	// Path is the program, and Argv its arguments with argv[0], specifiers replaced.
	Path string
	Argv []string
	// Literal: '$' in Argv is just that (':' before the path in ExecStart=).
	Literal bool

	// Environment is Environment=, and EnvironmentFiles are the files to read after
	// it. Unset are the names, or whole assignments, to take out in the end.
	Environment      []string
	EnvironmentFiles []EnvironmentFile
	Unset            []string
	// Inherited are the names of variables that the manager itself has for its services,
	// or passes on to this one (PassEnvironment=).
	Inherited []string

	// Directory is WorkingDirectory= as the service sees it, in its own root: a path,
	// "~" for the home of its user, or "" for "/". DirectoryOptional: it is "/" too if
	// there is no such directory.
	Directory         string
	DirectoryOptional bool

	// OwnRoot: RootDirectory= or RootImage= is set, so that the service does not see the
	// files that systemd reads for it.
	OwnRoot bool

	// Credentials are those that systemd has loaded for the service from files, by
	// LoadCredential= and LoadCredentialEncrypted=, sorted by name.
	Credentials []Credential
	// RefreshesCredentials: systemd loads them anew at each reload, as
	// RefreshOnReload=credentials says.
	RefreshesCredentials bool

	// Fixed are the settings that only a start applies, by directive, to be compared
	// and shown. See [FixedSettings].
	Fixed map[string]string

	// NeedDaemonReload says that the files have changed since systemd read them.
	NeedDaemonReload bool

	// Started is when the service was started last, and Loaded when systemd has
	// read its units last, both since the boot (CLOCK_MONOTONIC). A service that is
	// reloaded was not started.
	Started, Loaded time.Duration
}

// EnvironmentFile is one of EnvironmentFile=: a path, or a pattern for several.
type EnvironmentFile struct {
	Path     string
	Optional bool // it may be missing
}

// Credential is one of LoadCredential= or LoadCredentialEncrypted=, which Directive says.
type Credential struct {
	Directive string
	Name      string // that of its file in $CREDENTIALS_DIRECTORY
	Source    string // the path that it is loaded from, unless systemd has to search for it
}

// Execution asks how systemd would start a service now. The error has [ErrNotFound]
// when systemd knows no such service.
func (c *Conn) Execution(ctx context.Context, service string) (Execution, error) {
	p, err := c.properties(ctx, service)
	if err != nil {
		return Execution{}, c.failed("Execution", service, err)
	}
	if load := p.text("LoadState"); load != "loaded" {
		return Execution{}, c.failed("Execution", service, fmt.Errorf("%w: LoadState=%s", ErrNotFound, load))
	}
	e, err := p.execution()
	if err != nil {
		return Execution{}, c.failed("Execution", service, err)
	}
	const property = managerBus + ".UnitsLoadTimestampMonotonic"
	loaded, err := c.bus.Object(busName, busPath).GetProperty(property)
	if err != nil {
		return Execution{}, c.failed("Execution", service, fmt.Errorf("%s: %w", property, err))
	}
	e.Loaded = properties{"": loaded.Value()}.since("")
	environment, err := c.bus.Object(busName, busPath).GetProperty(managerBus + ".Environment")
	if err != nil {
		return Execution{}, c.failed("Execution", service, fmt.Errorf("%s.Environment: %w", managerBus, err))
	}
	for _, kv := range (properties{"": environment.Value()}).list("") {
		name, _, _ := strings.Cut(kv, "=")
		e.Inherited = append(e.Inherited, name)
	}
	return e, nil
}

// execution reads the properties.
func (p properties) execution() (Execution, error) {
	e := Execution{
		Environment:      p.list("Environment"),
		Unset:            p.list("UnsetEnvironment"),
		Inherited:        p.list("PassEnvironment"),
		Fixed:            p.fixed(),
		NeedDaemonReload: p.bool("NeedDaemonReload"),
		Started:          p.since("ActiveEnterTimestampMonotonic"),

		OwnRoot:              p.text("RootDirectory")+p.text("RootImage") != "",
		RefreshesCredentials: slices.Contains(p.list("RefreshOnReload"), "credentials"),
	}
	e.Directory, e.DirectoryOptional = strings.CutPrefix(p.text("WorkingDirectory"), "!")
	for _, directive := range []string{"LoadCredential", "LoadCredentialEncrypted"} {
		for _, pair := range readStringPairs(p[directive]) {
			e.Credentials = append(e.Credentials, Credential{directive, pair[0], pair[1]})
		}
	}
	slices.SortFunc(e.Credentials, func(a, b Credential) int { return cmp.Compare(a.Name, b.Name) })
	commands, _ := p["ExecStartEx"].([][]any)
	if len(commands) != 1 || len(commands[0]) < 3 {
		return Execution{}, fmt.Errorf("ExecStart= has %d commands, want 1", len(commands))
	}
	e.Path, _ = commands[0][0].(string)
	e.Argv, _ = commands[0][1].([]string)
	flags, _ := commands[0][2].([]string)
	e.Literal = slices.Contains(flags, "no-env-expand")
	if e.Path == "" || len(e.Argv) == 0 {
		return Execution{}, fmt.Errorf("ExecStart= has no program")
	}
	files, _ := p["EnvironmentFiles"].([][]any)
	for _, f := range files {
		if len(f) < 2 {
			continue
		}
		path, _ := f[0].(string)
		optional, _ := f[1].(bool)
		e.EnvironmentFiles = append(e.EnvironmentFiles, EnvironmentFile{path, optional})
	}
	return e, nil
}

// since is a timestamp of CLOCK_MONOTONIC; 0: never.
func (p properties) since(name string) time.Duration {
	usec, _ := p.number(name)
	if usec > uint64(infinity/time.Microsecond) {
		return infinity
	}
	return time.Duration(usec) * time.Microsecond
}

// Variables are the variables that one source sets, each "NAME=value": Environment= where
// Path is "", or a file of EnvironmentFile=. Err says why the file cannot be read, which
// is common in the sandbox of a service: its variables are not known then.
type Variables struct {
	Path        string
	Assignments []string
	Err         error
}

// Variables returns the variables of Environment= and of each file of EnvironmentFile=,
// in that order: the last assignment of a variable counts.
func (e Execution) Variables() []Variables {
	all := []Variables{{Assignments: e.Environment}}
	for _, f := range e.EnvironmentFiles {
		paths, err := filepath.Glob(f.Path)
		if err != nil || len(paths) == 0 {
			paths = []string{f.Path}
		}
		for _, path := range paths {
			v := Variables{Path: path}
			var text []byte
			if text, v.Err = e.readFile(path); v.Err == nil {
				v.Assignments = parseEnvironmentFile(string(text))
			} else if errors.Is(v.Err, fs.ErrNotExist) && f.Optional {
				v.Err = nil
			}
			all = append(all, v)
		}
	}
	return all
}

// errOwnRoot is the reason why a service does not read a file that systemd reads.
var errOwnRoot = errors.New("it is outside of the service's own root (RootDirectory= or RootImage=)")

// readFile reads a file as systemd does, from within the service. The error has no path.
func (e Execution) readFile(path string) ([]byte, error) {
	if e.OwnRoot {
		return nil, errOwnRoot
	}
	text, err := os.ReadFile(path)
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return text, err
}

// Arguments are Argv with the variables of that environment in place of $NAME and
// ${NAME}, as systemd.service(5) says under "Command lines".
func (e Execution) Arguments(environ []string) []string {
	if e.Literal {
		return e.Argv
	}
	value := func(name string) string {
		for _, kv := range slices.Backward(environ) {
			if k, v, _ := strings.Cut(kv, "="); k == name {
				return v
			}
		}
		return ""
	}
	var argv []string
	for i, arg := range e.Argv {
		if i > 0 && len(arg) > 1 && arg[0] == '$' && arg[1] != '{' && arg[1] != '$' {
			argv = append(argv, splitWords(value(arg[1:]))...)
			continue
		}
		argv = append(argv, expand(arg, value))
	}
	return argv
}

// expand replaces ${NAME} by its value and $$ by one dollar.
func expand(s string, value func(name string) string) string {
	var b strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			break
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{") && strings.Contains(rest, "}"):
			name, after, _ := strings.Cut(rest[1:], "}")
			b.WriteString(value(name))
			s = after
		default:
			b.WriteByte('$')
			s = rest
		}
	}
	return b.String()
}
