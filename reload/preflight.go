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

	"github.com/instar-project/instar/internal/handover"
)

// PreflightMessageID is the MESSAGE_ID= of preflights that were refused, in the
// journal.
const PreflightMessageID = "83396a50fabf4b10bf2cf7b718ea85fc"

// Preflight asks the build that an upgrade would start now whether it could follow
// this one, before anything is started that serves. nil: it could, as far as that
// can be known. It runs beside everything else and changes nothing: an upgrade, or
// its refusal, is another matter, and gets no number here.
//
// What answers is the same command in the same environment and sandbox, by
// [Open]: it says which version of the handover's protocol it speaks, and what
// [Config.Preflight] says. A program that ends without an answer, or gives none
// within Config.ReadyTimeout, could not follow.
//
// The error is that of ctx; [ErrNotMain]; or the reason of the refusal, which wraps
// the same Err… as that of a failed upgrade and goes into the journal, see
// [PreflightMessageID].
func (s *Service) Preflight(ctx context.Context) error {
	if !s.upgradable() {
		return ErrNotMain
	}
	// One at a time: each takes the memory of a process.
	select {
	case s.preflights <- struct{}{}:
		defer func() { <-s.preflights }()
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return ErrNotMain
	}
	// If there is a handover meanwhile, this generation stays for the answer.
	defer s.Begin()()
	asking, cancel := context.WithTimeout(ctx, s.config.ReadyTimeout)
	defer cancel()
	stopping := s.whenStopping(asking, cancel)
	err := s.askSuccessor(asking)
	switch {
	case err == nil:
		s.log.Debug("preflight passed")
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case stopping():
		return ErrNotMain
	}
	// Who calls may know all of it.
	err = sealed(err).opened()
	s.recordRefusal(err)
	return err
}

// upgradable reports whether this process is the main one, with an upgrade under
// way or free for one.
func (s *Service) upgradable() bool {
	return s.currentPhase().Upgradable()
}

// whenStopping calls f when the service is told to stop, unless ctx is over by then;
// called reports whether it was.
func (s *Service) whenStopping(ctx context.Context, f func()) (called func() bool) {
	changes, stop := s.Watch()
	over := func() bool { return s.currentPhase().Stopped() }
	go func() {
		defer stop()
		for !over() {
			select {
			case <-changes:
			case <-ctx.Done():
				return
			}
		}
		f()
	}()
	return over
}

// lastMoment is what a process that has answered has left to end.
const lastMoment = time.Second

// askSuccessor starts the next build only to be asked, and waits for its end. SIGHUP to
// the whole unit (systemctl kill, a logrotate script) is no answer of the build: a
// process that it has killed is asked again.
func (s *Service) askSuccessor(ctx context.Context) error {
	for try := 1; ; try++ {
		sleep(ctx, strayPause(try))
		state, err := s.askOnce(ctx)
		if state == nil || !killedBy(state, syscall.SIGHUP) || try == maxStarts {
			return err
		}
		s.log.Info("a preflight was killed by a SIGHUP that was not for it; it is asked again", "pid", state.Pid())
	}
}

// askOnce returns the answer, and how a process has ended that gave none.
func (s *Service) askOnce(ctx context.Context) (unanswered *os.ProcessState, err error) {
	start, line, theirs, err := s.prepare(ctx)
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
		cmd.WaitDelay = lastMoment // of who has inherited stderr
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
		_ = cmd.Wait() // what matters is in cmd.ProcessState
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
		f := openly(fmt.Errorf("%w: PID %d has not answered within %v (Config.ReadyTimeout)", ErrTimedOut, cmd.Process.Pid, s.config.ReadyTimeout))
		f.words = said.remark()
		return nil, f
	}
	f := ended(cmd.ProcessState, said.remark())
	f.public += ", without an answer"
	return cmd.ProcessState, f
}

// hearAnswer returns nil if the process at the other end could follow, the reason
// if it could not, and io.EOF if it does not say.
func hearAnswer(line *handover.Conn) error {
	for {
		m, fds, err := line.Receive()
		closeAll(fds)
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

// recordRefusal logs why a preflight was refused.
func (s *Service) recordRefusal(reason error) {
	s.report(slog.LevelWarn, s.refusalFields(reason))
}

// refusalFields is a refused preflight as the journal shows it.
func (s *Service) refusalFields(reason error) map[string]string {
	return map[string]string{
		"MESSAGE":                fmt.Sprintf("preflight refused: %v", reason),
		"MESSAGE_ID":             PreflightMessageID,
		"PRIORITY":               "4",
		"INSTAR_RESULT":          "refused",
		"INSTAR_REASON":          reason.Error(),
		"INSTAR_FROM_GENERATION": fmt.Sprint(s.generation),
		"INSTAR_FROM_BUILD":      s.config.Build,
	}
}
