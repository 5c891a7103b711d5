package reload

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/instar-project/instar/internal/verdict"
)

// Preflight asks the build that an upgrade would start now whether it could follow
// this one, before anything is started that serves. nil: it could, as far as that
// can be known. It runs beside everything else and changes nothing: an upgrade, or
// its refusal, is another matter, and gets no number here.
//
// The same command answers, in the same environment and sandbox, by [Open]: with
// its version of the handover's protocol, and the answer of [Config.Preflight]. A
// program that ends without an answer, or gives none within Config.ReadyTimeout,
// could not follow.
//
// The error is that of ctx; [ErrNotMain]; or the reason of the refusal, which wraps
// the same Err… as that of a failed upgrade and goes into the journal, see
// docs/journal.md.
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
	err := s.launcher.preflight(asking, s.log)
	switch {
	case err == nil:
		s.log.Debug("preflight passed")
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case stopping():
		return ErrNotMain
	}
	// The caller may know all of it.
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

// recordRefusal logs why a preflight was refused.
func (s *Service) recordRefusal(reason error) {
	s.report(slog.LevelWarn, s.refusalFields(reason))
}

// refusalFields is a refused preflight as the journal shows it.
func (s *Service) refusalFields(reason error) map[string]string {
	return map[string]string{
		"MESSAGE":                fmt.Sprintf("preflight refused: %v", reason),
		"MESSAGE_ID":             verdict.RefusedMessageID,
		"PRIORITY":               "4",
		"INSTAR_RESULT":          "refused",
		"INSTAR_REASON":          reason.Error(),
		"INSTAR_FROM_GENERATION": fmt.Sprint(s.generation),
		"INSTAR_FROM_BUILD":      s.config.Build,
	}
}
