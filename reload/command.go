package reload

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/instar-project/instar/internal/handover"

	"golang.org/x/sys/unix"
)

// commandTimeout bounds Config.Command: Serve does nothing else meanwhile.
const commandTimeout = 5 * time.Second

// command is what an upgrade starts.
type command struct {
	path    string
	argv    []string
	environ []string // as it was found: what is meant for one process is still in it
}

// command finds out what an upgrade would start now.
func (s *Service) command(ctx context.Context) (command, error) {
	c := command{argv: os.Args, environ: s.environ}
	if s.config.Command != nil {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		argv, environ, err := s.config.Command(ctx, s)
		if err != nil {
			return command{}, because(fmt.Errorf("%w: Config.Command", ErrSpawn), err)
		}
		if len(argv) > 0 {
			c.argv = argv
		}
		if environ != nil {
			c.environ = environ
		}
	}
	var err error
	if c.path, err = s.executable(c.argv[0]); err != nil {
		return command{}, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
	}
	return c, nil
}

// executable is the file to start under that argv[0].
func (s *Service) executable(argv0 string) (string, error) {
	path := s.config.Executable
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

// prepare is what comes before the start of the next build: what to start, and a line
// to it, of which theirs is the end for it to have.
func (s *Service) prepare(ctx context.Context) (start command, line *handover.Conn, theirs *os.File, err error) {
	if start, err = s.command(ctx); err != nil {
		return command{}, nil, nil, err
	}
	if !s.config.AllowForeign {
		if err = checkOurs(start.path); err != nil {
			return command{}, nil, nil, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
		}
	}
	if line, theirs, err = handover.Pair(); err != nil {
		return command{}, nil, nil, fmt.Errorf("%w: %w", ErrSpawn, err)
	}
	// What others have opened without O_CLOEXEC is not for it.
	_ = unix.CloseRange(handoverFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	return start, line, theirs, nil
}

// whenNotBusy starts a program, again for a moment if the file is busy. One that was
// just written may still be open for writing in a process that whoever has written it
// has forked meanwhile, up to its execve(2): an upgrade does not fail of that.
func whenNotBusy(start func() error) error {
	const longest = 80 * time.Millisecond
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		err := start()
		if !errors.Is(err, unix.ETXTBSY) || pause > longest {
			return err
		}
		time.Sleep(pause)
	}
}
