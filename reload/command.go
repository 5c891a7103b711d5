package reload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/handover"
)

// Command is the command that starts a generation.
type Command struct {
	// Argv are the arguments; argv[0] is the path of the program.
	Argv []string
	// Environ is the environment, each "NAME=value".
	Environ []string
	// Dir is the working directory, an absolute path.
	Dir string
	// LeftBehind lists the settings of the unit that this command does not have, a
	// line each that begins with the directive, such as
	// "EnvironmentFile=/etc/web.env: permission denied". It goes into the verdict.
	LeftBehind []string
	// StartedWith is a text that generations pass on, 8 KiB at most: the record that
	// status.Command keeps of how systemd has started the service.
	StartedWith string
}

// own is the command of this process.
func (l *launcher) own() Command {
	return Command{
		Argv:    slices.Clone(l.started.Argv),
		Environ: slices.Clone(l.started.Environ),
		Dir:     l.started.Dir,

		StartedWith: l.note.get(),
	}
}

// commandTimeout bounds Config.Command: Serve does nothing else meanwhile.
const commandTimeout = 5 * time.Second

// command is the command that an upgrade starts: a complete Command, and the path.
// Variables that are meant for one process are still in its environment.
type command struct {
	Command
	path string
}

// command returns the command that an upgrade would start now.
func (l *launcher) command(ctx context.Context) (command, error) {
	c := command{Command: l.own()}
	if l.ask != nil {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		asked, err := l.ask(ctx)
		if err != nil {
			return command{}, because(fmt.Errorf("%w: Config.Command", ErrSpawn), err)
		}
		if n := len(asked.StartedWith); n > handover.MaxStartedWith {
			return command{}, openly(fmt.Errorf("%w: Config.Command: StartedWith has %d bytes, %d is the most", ErrSpawn, n, handover.MaxStartedWith))
		}
		c.replace(asked)
	}
	var err error
	if c.path, err = l.executable(c.Argv[0]); err != nil {
		return command{}, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
	}
	if l.config.Directory != "" {
		c.Dir = l.config.Directory
	}
	if c.Dir, err = l.directory(c.Dir); err != nil {
		return command{}, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
	}
	return c, nil
}

// replace takes over the fields that Config.Command has set.
func (c *command) replace(asked Command) {
	if len(asked.Argv) > 0 {
		c.Argv = asked.Argv
	}
	if asked.Environ != nil {
		c.Environ = asked.Environ
	}
	if asked.Dir != "" {
		c.Dir = asked.Dir
	}
	c.LeftBehind = asked.LeftBehind
	c.StartedWith = cmp.Or(asked.StartedWith, c.StartedWith)
}

// executable is the file to start under that argv[0].
func (l *launcher) executable(argv0 string) (string, error) {
	path := l.config.Executable
	if path == "" {
		path = argv0
	}
	if strings.Contains(path, "/") {
		return path, nil
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("argv[0] is %q, which is no path to start again; where ExecStart= begins with '@', set Config.Executable: %w", path, err)
	}
	return found, nil
}

// directory is the directory for a successor that is meant for dir; "" is the
// present directory of this process. A directory that has gone is an error: relative
// paths of the successor would lead nowhere.
func (l *launcher) directory(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return "", fmt.Errorf("the working directory %q is no directory", dir)
	case err == nil:
		return dir, nil
	case errors.Is(err, fs.ErrPermission) && dir == l.started.Dir:
		// systemd was allowed to enter it, and this process is not. It may be there still.
		return "", nil
	}
	return "", fmt.Errorf("the working directory of the next generation: %w: if it moves with each release, set Config.Directory, or Config.Command to status.Command", err)
}
