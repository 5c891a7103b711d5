package reload

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrForgotten is the error of Wait for an attempt that was not the last one: a
// process remembers one verdict.
var ErrForgotten = errors.New("reload: the verdict of that attempt is not remembered any more")

// Watch tells of changes of the Snapshot: of the phase, of the generations that
// drain, of the attempts and the verdict. Connections and the store may change
// without a word. Several changes may show as one; stop ends it.
func (s *Service) Watch() (changes <-chan struct{}, stop func()) {
	return s.shown.watch()
}

// Done returns a channel that is closed when Serve is over: this process has no
// part in the service any more.
func (s *Service) Done() <-chan struct{} { return s.done }

// Wait returns the verdict of the upgrade with that number as soon as it has
// ended; it may not even have begun. The error is that of ctx; [ErrForgotten];
// or [ErrNotMain] if this process will not know: then the main process does.
func (s *Service) Wait(ctx context.Context, attempt int) (Verdict, error) {
	changes, stop := s.Watch()
	defer stop()
	for {
		switch v, _ := s.LastVerdict(); {
		case v.Attempt == attempt && attempt != 0:
			return v, nil
		case v.Attempt > attempt:
			return Verdict{}, fmt.Errorf("%w: it was %d, the last one was %d", ErrForgotten, attempt, v.Attempt)
		}
		// A drain follows an upgrade whose verdict comes at once. There will be no other,
		// unless this process takes back.
		switch phase := s.currentPhase(); {
		case phase.Stopped(), phase.Leaving() && int64(attempt) > s.shown.attempts.Load():
			return Verdict{}, ErrNotMain
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return Verdict{}, ctx.Err()
		}
	}
}

// watchers are the channels of Watch.
type watchers struct {
	mu  sync.Mutex
	all map[chan struct{}]bool
}

func (w *watchers) watch() (changes <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[chan struct{}]bool)
	}
	w.all[c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}

// changed tells all of them; one that has not looked since the last time is told
// once.
func (w *watchers) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
