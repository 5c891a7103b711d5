package reload

import (
	"context"

	"github.com/instar-project/instar/fdstore"
)

// Origin tells Adopt where the store's contents come from.
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
	// Adopt takes the state out of the store and goes on from there: it is called
	// before this generation accepts for the first time, and again when it takes
	// back. from tells whose state it is; the code can be the same for all. A successor may open journals and bundles and put new
	// entries. An error means that this process cannot serve: a successor is
	// refused and the predecessor goes on, a first start fails.
	//
	// The store has the entries of this Keeper alone. It stays valid until Park returns.
	Adopt(ctx context.Context, store *fdstore.Store, from Origin) error

	// Park puts the rest of the state into the store and lets go of it: no
	// connection that is in the store is read or written any more, and those
	// that were accepted on a Listener of the Service are closed. Connections that stay
	// with this process may still bring requests that need the state: for HTTP there is
	// AskAgain of package httpdrain. Park is called
	// when this generation accepts no more, for a successor or for the end of
	// the service; and when a Keeper that adopts later fails. An error fails the upgrade;
	// Adopt follows then, as it does after a take back. Park returns when ctx ends, which
	// is Config.ReadyTimeout after the first Keeper has begun to park.
	Park(ctx context.Context, store *fdstore.Store) error
}
