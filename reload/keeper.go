package reload

import (
	"context"
	"errors"
	"fmt"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/notify"
)

// Origin tells Adopt who wrote the store's contents.
type Origin int

const (
	// FromFirstStart: nobody; the store is empty.
	FromFirstStart Origin = iota
	// FromUpgrade: the predecessor, which has parked its state for this process.
	FromUpgrade
	// FromRestart: the last main process, which was told to stop and has parked its state.
	FromRestart
	// FromCrash: the last main process, which died as it was.
	FromCrash
	// FromTakeBack: this process, which has parked its state for a successor that
	// failed, and that successor as far as it got.
	FromTakeBack
)

func (o Origin) String() string {
	switch o {
	case FromFirstStart:
		return "first start"
	case FromUpgrade:
		return "upgrade"
	case FromRestart:
		return "restart"
	case FromCrash:
		return "crash"
	case FromTakeBack:
		return "take back"
	}
	return "unknown"
}

// A Keeper keeps state and long-lived connections in the store, so that they outlive the
// process, whichever way it ends. Give it to [Service.Keep].
type Keeper interface {
	// Adopt takes what is in the store and goes on from there: it is called
	// before this generation accepts for the first time, and again when it takes
	// back what it had parked. from says what to expect; the code can be the
	// same for all. A successor may open journals and bundles and put new
	// entries. An error means that this process cannot serve: a successor is
	// refused and the predecessor goes on, a first start fails.
	//
	// The store has the entries of this Keeper alone. It stays valid until Park returns.
	Adopt(ctx context.Context, store *fdstore.Store, from Origin) error

	// Park puts what is not in the store yet there and lets go of it: no
	// connection that is in the store is read or written any more, and those
	// that were accepted on a Listener of the Service are closed. It is called
	// when this generation accepts no more, for a successor or for the end of
	// the service; and when a Keeper that adopts later fails. An error fails the upgrade;
	// Adopt follows then, as it does after a take back. Park returns when ctx ends, which
	// is Config.ReadyTimeout after the first Keeper has begun to park.
	Park(ctx context.Context, store *fdstore.Store) error
}

// Keep makes k one of the service's Keepers. Call it before Serve.
//
// Each Keeper has a part of the store of its own, by its name. A library takes the name of
// its package, such as "ticketkeys"; the application takes one of its own, or "". A name is up to
// 64 bytes of printable ASCII without ':' and '/', and the same in every build: entries of a
// name that no Keeper has any more stay in the store, and are logged at each start.
//
// Keepers adopt in the order of Keep, one after the other, and park in reverse. If one fails
// to adopt, those before it park. If one fails to park, the others park all the same, and
// whoever has parked adopts again where the service goes on.
//
// It is an error to give two Keepers one name, or to call Keep after Serve or Close.
func (s *Service) Keep(name string, k Keeper) error {
	err := sdstore.CheckKeeper(name)
	switch {
	case err != nil:
		err = fmt.Errorf("reload: a Keeper: %w", err)
	case k == nil:
		err = fmt.Errorf("reload: the Keeper %q is nil", name)
	case s.served.Load():
		err = fmt.Errorf("reload: the Keeper %q comes too late: call Keep before Serve: %w", name, ErrServed)
	default:
		err = s.keeping.add(name, k)
	}
	if err != nil {
		return s.refuse(err)
	}
	return nil
}

var errTwoKeepers = errors.New("there is a Keeper of that name already")

// openKeeping opens the store with what is left in it: by systemd, or later by the predecessor.
func (s *Service) openKeeping() (err error) {
	s.keeping, err = openKeeping(s.log, s.config.ReadyTimeout, sdstore.Config{
		Entries:  s.sockets.Claim(sdstore.Reserved),
		Notifier: s.notifier,
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
	if err != nil {
		return err
	}
	if s.predecessor != nil {
		s.keeping.origin = FromUpgrade
	} else {
		s.keeping.findOrigin()
	}
	return nil
}

// beginAdopt has the Keepers take what is in the store, beside the loop.
func (s *Service) beginAdopt() {
	outcome := func(err error) generation.Event {
		if err != nil {
			return generation.Event{Kind: generation.GaveUp, Err: err}
		}
		return generation.Event{Kind: generation.Adopted}
	}
	if !s.keeping.beginAdopt(func(err error) { s.post(nil, outcome(err)) }) {
		s.followUps = append(s.followUps, outcome(nil))
	}
}

// beginStore has the Keepers park what must outlive this process, beside the loop. last: for
// the end of the service, not for a successor.
func (s *Service) beginStore(last bool) {
	wanted := s.successor != nil && s.successor.adopts
	outcome := func(err error) generation.Event {
		switch hung := (*hungError)(nil); {
		case errors.As(err, &hung):
			return generation.Event{Kind: generation.GaveUp, Err: err}
		case err != nil:
			return generation.Event{Kind: generation.StoreFailed, Err: err}
		}
		return generation.Event{Kind: generation.Stored, Offer: wanted || s.keeping.holds()}
	}
	if !s.keeping.beginPark(last, func(err error) { s.post(nil, outcome(err)) }) {
		s.followUps = append(s.followUps, outcome(nil))
	}
}

// offer gives the successor what is in the store, and the right to add to it.
func (s *Service) offer() {
	s.say(notify.NotifyAccess(notify.AccessAll), extension(s.config.ReadyTimeout))
	all := s.keeping.contents()
	next := s.successor
	next.expect(s.config.ReadyTimeout)
	// The successor reads them one by one; the loop does not wait for that.
	go func() {
		if err := next.line.OfferState(all); err != nil {
			s.unreachable(next, err)
		}
	}()
}
