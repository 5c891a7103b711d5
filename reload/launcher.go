package reload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/verdict"

	"golang.org/x/sys/unix"
)

// launcher starts the next build: to be a successor, or only to be asked whether it could
// be one.
type launcher struct {
	config  *Config
	ask     func(context.Context) (Command, error) // Config.Command; nil: nobody is asked
	unit    settings
	address string  // of NOTIFY_SOCKET
	started Command // of this process, by systemd or the predecessor
	logs    logs
	note    note
}

// launched is a process that has just been started.
type launched struct {
	process *os.Process
	line    *handover.Conn
	command Command // of it
}

// launch starts a process that is to be a successor.
func (l *launcher) launch(ctx context.Context) (launched, error) {
	start, line, theirs, err := l.prepare(ctx)
	if err != nil {
		return launched{}, err
	}
	defer theirs.Close()
	files, opened, left := l.successorStdio()
	for _, f := range opened {
		defer f.Close()
	}
	var process *os.Process
	err = whenNotBusy(func() error {
		process, err = os.StartProcess(start.path, start.Argv, &os.ProcAttr{
			Dir:   start.Dir,
			Env:   successorEnviron(start.Environ, l.address),
			Files: withoutOthers(append(files, theirs)),
		})
		return err
	})
	if err != nil {
		line.Close()
		return launched{}, start.failed(err)
	}
	start.LeftBehind = verdict.Bounded(slices.Concat(start.LeftBehind, left))
	return launched{process, line, start.Command}, nil
}

// prepare returns the command to start, and makes a line to the new process, which gets
// the end theirs.
func (l *launcher) prepare(ctx context.Context) (start command, line *handover.Conn, theirs *os.File, err error) {
	if err = errors.Join(l.unit.checkListening(), checkCgroup(l.unit.invocation)); err != nil {
		return command{}, nil, nil, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
	}
	if start, err = l.command(ctx); err != nil {
		return command{}, nil, nil, err
	}
	if !l.config.AllowForeign {
		if err = checkOurs(start.path); err != nil {
			return command{}, nil, nil, openly(fmt.Errorf("%w: %w", ErrSpawn, err))
		}
	}
	if line, theirs, err = handover.Pair(); err != nil {
		return command{}, nil, nil, fmt.Errorf("%w: %w", ErrSpawn, err)
	}
	return start, line, theirs, nil
}

// whenNotBusy starts a program, again for a moment if the file is busy. A new file
// may still be open for writing in a child that its writer has forked meanwhile, up
// to its execve(2): that must not fail an upgrade.
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

// lastMoment is how long a process that has answered may take to end.
const lastMoment = time.Second

// maxStarts is how often a successor is started that somebody kills by the reload
// signal before it can handle it.
const maxStarts = 4

// strayPause is how long to wait before the start of the n-th process for an attempt.
// systemd looks for new processes of a unit that it signals until it finds none.
func strayPause(n int) time.Duration {
	const shortest = 100 * time.Millisecond
	if n <= 1 {
		return 0
	}
	return shortest << (n - 2)
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
