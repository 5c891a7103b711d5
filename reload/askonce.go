package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/handover"
)

// preflight starts the next build only to be asked, and waits for its end. SIGHUP to
// the whole unit (systemctl kill, a logrotate script) is no answer of the build: a
// process that it has killed is asked again.
func (l *launcher) preflight(ctx context.Context, log *slog.Logger) error {
	for try := 1; ; try++ {
		sleep(ctx, strayPause(try))
		state, err := l.askOnce(ctx)
		if state == nil || !killedBy(state.Sys().(syscall.WaitStatus), syscall.SIGHUP) || try == maxStarts {
			return err
		}
		log.Info("a preflight was killed by a SIGHUP that was not for it; it is asked again", "pid", state.Pid())
	}
}

// askOnce returns the answer, and how a process has ended that gave none.
func (l *launcher) askOnce(ctx context.Context) (unanswered *os.ProcessState, err error) {
	start, line, theirs, err := l.prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer line.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	said := new(tail)
	var cmd *exec.Cmd
	err = whenNotBusy(func() error {
		cmd = exec.CommandContext(ctx, start.path)
		cmd.Args, cmd.Env, cmd.Dir = start.Argv, preflightEnviron(start.Environ), start.Dir
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio[0], said, said
		cmd.ExtraFiles = withoutOthers([]*os.File{nil, nil, nil, theirs})[handoverFD:]
		cmd.WaitDelay = lastMoment // for a process that has inherited stderr
		return cmd.Start()
	})
	theirs.Close()
	if err != nil {
		return nil, start.failed(err)
	}
	answers := make(chan error, 1)
	go func() { answers <- hearAnswer(line) }()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // cmd.ProcessState has the result
	}()

	answer := io.EOF
	select {
	case answer = <-answers:
		if !errors.Is(answer, io.EOF) {
			defer time.AfterFunc(lastMoment, cancel).Stop()
		}
		<-exited
	case <-exited:
		select {
		case answer = <-answers:
		case <-time.After(lastMoment):
			// Somebody else holds the other end: it has said nothing that counts.
		}
	}
	switch {
	case !errors.Is(answer, io.EOF):
		return nil, answer
	case ctx.Err() != nil:
		f := openly(fmt.Errorf("%w: PID %d has not answered within %v (Config.ReadyTimeout)", ErrTimedOut, cmd.Process.Pid, l.config.ReadyTimeout))
		f.words = said.remark()
		return nil, f
	}
	f := ended(cmd.Process.Pid, cmd.ProcessState.Sys().(syscall.WaitStatus), said.remark())
	f.public += ", without an answer"
	return cmd.ProcessState, f
}

// hearAnswer returns nil if the process at the other end could follow, the reason
// if it could not, and io.EOF if it does not say.
func hearAnswer(line *handover.Conn) error {
	for {
		m, fds, err := line.Receive()
		descriptor.CloseAll(fds)
		switch {
		case errors.Is(err, handover.ErrUnknownType):
			continue
		case errors.Is(err, io.EOF):
			return io.EOF
		case err != nil:
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		// The words are those of a successor: every version of the protocol has them.
		switch m := m.(type) {
		case handover.Ready:
			return speaks(m.Protocol)
		case handover.Refuse:
			return refused(m)
		}
	}
}
