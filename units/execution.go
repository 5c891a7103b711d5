package units

import (
	"context"
	"fmt"
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

	// Fixed are the settings that a process has from its start to its end, by
	// directive; the values are good for nothing but to be compared. See
	// [FixedSettings].
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
	return e, nil
}

// execution reads the properties.
func (p properties) execution() (Execution, error) {
	e := Execution{
		Environment:      p.list("Environment"),
		Unset:            p.list("UnsetEnvironment"),
		Fixed:            p.fixed(),
		NeedDaemonReload: p.bool("NeedDaemonReload"),
		Started:          p.since("ActiveEnterTimestampMonotonic"),
	}
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

// Variables are what Environment= and EnvironmentFile= set, the files' last, each
// "NAME=value". A file that this process cannot read, as it may well be in its
// sandbox, is left out; unread lists those.
func (e Execution) Variables() (variables []string, unread []string) {
	variables = slices.Clone(e.Environment)
	for _, f := range e.EnvironmentFiles {
		paths, err := filepath.Glob(f.Path)
		if err != nil || len(paths) == 0 {
			paths = []string{f.Path}
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			switch {
			case err == nil:
				variables = append(variables, parseEnvironmentFile(string(text))...)
			case os.IsNotExist(err) && f.Optional:
			default:
				unread = append(unread, path)
			}
		}
	}
	return variables, unread
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
