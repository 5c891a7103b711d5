package reload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/notify"
)

// Origin says where what is in the store comes from.
type Origin int

const (
	// FirstStart: nowhere; the store is empty.
	FirstStart Origin = iota
	// Upgrade: from the predecessor, which has parked it for this process.
	Upgrade
	// Restart: from the last main process, which was told to stop and has parked it.
	Restart
	// Crash: from the last main process, which has died as it was.
	Crash
	// TakeBack: from this process, which has parked it for a successor that
	// failed, and from that successor as far as it got.
	TakeBack
)

func (o Origin) String() string {
	switch o {
	case FirstStart:
		return "first start"
	case Upgrade:
		return "upgrade"
	case Restart:
		return "restart"
	case Crash:
		return "crash"
	case TakeBack:
		return "take back"
	}
	return "unknown"
}

// A Keeper keeps the application's state and its long-lived connections in the
// store, so that they outlive the process, whichever way it ends. Give it to
// [Service.Keep].
type Keeper interface {
	// Adopt takes what is in the store and goes on from there: it is called
	// before this generation accepts for the first time, and again when it takes
	// back what it had parked. from says what to expect; the code can be the
	// same for all. A successor may open journals and bundles and put new
	// entries. An error means that this process cannot serve: a successor is
	// refused and the predecessor goes on, a first start fails.
	//
	// The store is the Service's; it stays valid until Park returns.
	Adopt(ctx context.Context, store *fdstore.Store, from Origin) error

	// Park puts what is not in the store yet there and lets go of it: no
	// connection that is in the store is read or written any more, and those
	// that were accepted on a Listener of the Service are closed. It is called
	// when this generation accepts no more, for a successor or for the end of
	// the service. An error fails the upgrade; Adopt follows then, as it does
	// after a take back. Park returns when ctx ends, which is after
	// Config.ReadyTimeout.
	Park(ctx context.Context, store *fdstore.Store) error
}

// Keep makes k the keeper of the service's state. To be called once, before Serve.
func (s *Service) Keep(k Keeper) {
	s.keeper = k
	s.keeps.Store(k != nil)
}

// mark is the name of the library's own blob: how the last main process ended.
const mark = "instar"

type ending struct {
	// Stopped: it was told to stop and has parked.
	Stopped bool `json:"stopped"`
}

func (s *Service) writeMark(ctx context.Context, e ending) {
	err := fdstore.Save(ctx, s.store, fdstore.Key{Name: mark, Schema: 1}, e)
	if err != nil {
		s.log.Warn("the store is of no use", "error", err)
	}
}

// openStore makes the store of what was left.
func (s *Service) openStore(entries []activation.Entry) error {
	max, err := fdstore.Quota()
	if err == nil {
		s.store, err = fdstore.Open(fdstore.Config{
			Entries:  entries,
			Notifier: s.notifier,
			Max:      max,
			Sockets:  s.sockets.Names(),
			Storing: func(fresh []activation.Entry) {
				m := handover.Stored{}
				var fds []int
				for _, e := range fresh {
					m.Names, fds = append(m.Names, e.Name), append(fds, e.FD)
				}
				s.tell(m, fds...)
			},
			Removing: func(names []string) { s.tell(handover.Removed{Names: names}) },
		})
		s.shown.store.Store(s.store)
	}
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	return nil
}

// origin is where the store of a process that systemd has started comes from.
func (s *Service) findOrigin() Origin {
	if len(s.store.List()) == 0 {
		return FirstStart
	}
	last, _, err := fdstore.Load[ending](s.store, fdstore.Key{Name: mark, Schema: 1})
	if err == nil && last.Stopped {
		return Restart
	}
	return Crash
}

// beginAdopt has the keeper take what is in the store, beside the loop.
func (s *Service) beginAdopt() {
	if p := s.predecessor; p != nil && p.offered != nil {
		offered := p.offered
		p.offered = nil
		if err := errors.Join(s.store.Close(), s.openStore(offered)); err != nil {
			s.followUps = append(s.followUps, generation.Event{Kind: generation.GaveUp, Err: err})
			return
		}
	}
	if s.keeper == nil {
		s.followUps = append(s.followUps, generation.Event{Kind: generation.Adopted})
		return
	}
	s.keep("Adopt", s.adopt, func(err error) generation.Event {
		if err != nil {
			return generation.Event{Kind: generation.GaveUp, Err: err}
		}
		return generation.Event{Kind: generation.Adopted}
	})
}

// adopt has the keeper take what is in the store.
func (s *Service) adopt(ctx context.Context) error {
	s.store.Resume()
	from := s.origin
	if err := s.keeper.Adopt(ctx, s.store, from); err != nil {
		return fmt.Errorf("reload: adopting the state of a %v: %w", from, err)
	}
	s.parked, s.origin = false, TakeBack
	if s.predecessor == nil && from != TakeBack {
		s.writeMark(ctx, ending{})
	}
	for _, left := range s.store.Leftovers() {
		if left.Kind != fdstore.KindBlob || left.Name != mark {
			s.log.Warn("an entry of the store that this build does not know", "name", left.FDName)
		}
	}
	s.log.Info("adopted", "from", from.String())
	return nil
}

// beginStore parks what must outlive this process, beside the loop. stopping:
// for the end of the service, not for a successor.
func (s *Service) beginStore(stopping bool) {
	wanted := s.adopts()
	stored := func(err error) generation.Event {
		if err != nil {
			return generation.Event{Kind: generation.StoreFailed, Err: err}
		}
		return generation.Event{Kind: generation.Stored, Offer: wanted || len(s.store.List()) > 0}
	}
	if s.keeper == nil {
		s.followUps = append(s.followUps, stored(nil))
		return
	}
	s.stored = s.keep("Park", func(ctx context.Context) error { return s.park(ctx, stopping) }, stored)
}

// keep has the keeper do something, one thing at a time, beside the loop. outcome is
// the event that follows. over is closed when nobody waits for it any more: when it
// has ended, or hangs.
func (s *Service) keep(what string, do func(context.Context) error, outcome func(error) generation.Event) (over chan struct{}) {
	over = make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		s.keeping <- struct{}{}
		defer func() { <-s.keeping }()
		ctx, cancel := context.WithTimeout(context.Background(), s.config.ReadyTimeout)
		defer cancel()
		ended <- do(ctx)
	}()
	go func() {
		defer close(over)
		select {
		case err := <-ended:
			s.post(nil, outcome(err))
		case <-time.After(2 * s.config.ReadyTimeout):
			// It was to return after half of that. Nobody may touch its state while
			// it runs, so this process cannot serve again: the next one can.
			s.post(nil, generation.Event{Kind: generation.GaveUp, Err: fmt.Errorf("reload: the Keeper's %s does not return", what)})
		}
	}()
	return over
}

// park has the keeper put into the store what must outlive this process. If the
// keeper has adopted nothing since it parked last, all is there.
func (s *Service) park(ctx context.Context, stopping bool) error {
	if !s.parked {
		s.parked = true
		if err := s.keeper.Park(ctx, s.store); err != nil {
			err = fmt.Errorf("%w: %w", ErrStore, err)
			s.log.Error("parking", "error", err)
			return err
		}
	}
	if stopping {
		s.store.Resume()
		s.writeMark(ctx, ending{Stopped: true})
	}
	s.store.Stop()
	return nil
}

// adopts reports whether the successor wants what is in the store.
func (s *Service) adopts() bool { return s.successor != nil && s.successor.adopts }

// offer gives the successor what is in the store, and the right to add to it.
func (s *Service) offer() {
	s.say(notify.NotifyAccess(notify.AccessAll), extension(s.config.ReadyTimeout))
	var all []handover.Descriptor
	for _, e := range s.store.Entries() {
		all = append(all, handover.Descriptor{Name: e.Name, FD: e.FD})
	}
	next := s.successor
	next.expect(s.config.ReadyTimeout)
	// The successor reads them one by one; the loop does not wait for that.
	go func() {
		if err := next.line.OfferState(all); err != nil {
			s.unreachable(next, err)
		}
	}()
}

func entries(descriptors []handover.Descriptor) []activation.Entry {
	all := make([]activation.Entry, len(descriptors))
	for i, d := range descriptors {
		all[i] = activation.Entry{Name: d.Name, FD: d.FD}
	}
	return all
}

// heardOfStore takes note of what the successor does to the store, for the case
// that this process takes back.
func (s *Service) heardOfStore(m handover.Message, fds []int) {
	switch m := m.(type) {
	case handover.Stored:
		if len(m.Names) != len(fds) {
			closeAll(fds)
			return
		}
		fresh := make([]activation.Entry, len(fds))
		for i, fd := range fds {
			fresh[i] = activation.Entry{Name: m.Names[i], FD: fd}
		}
		s.store.Learn(fresh)
	case handover.Removed:
		closeAll(fds) // it carries none
		s.store.Forget(m.Names)
	}
}
