package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/sdstore"
)

// keeping is the store, and the Keepers, each of which has a part of it. It knows nothing of phases: the loop says when to adopt and when to park, and is told
// how that went.
type keeping struct {
	log      *slog.Logger
	patience time.Duration  // with all Keepers together: Config.ReadyTimeout
	config   sdstore.Config // for a store, but for the entries

	store  atomic.Pointer[sdstore.Store]
	turn   chan struct{} // holds one while Keepers adopt or park
	origin Origin        // of the state that is adopted next; read and changed by turns
	parked chan struct{} // closed when the last Park is over; nil: there was none

	mu      sync.Mutex
	keepers []*kept            // in the order of Keep
	offered []activation.Entry // by the predecessor, and not adopted yet
}

// kept is a Keeper and where it stands.
type kept struct {
	name   string
	keeper Keeper
	holds  bool // it has adopted, and not parked since; read and changed by turns
}

func (k *kept) String() string {
	if k.name == "" {
		return "the Keeper"
	}
	return fmt.Sprintf("the Keeper %q", k.name)
}

// openKeeping makes the store of the entries that were left. The callbacks of config tell the predecessor of
// every change.
func openKeeping(log *slog.Logger, patience time.Duration, config sdstore.Config) (*keeping, error) {
	k := &keeping{log: log, patience: patience, config: config, turn: make(chan struct{}, 1)}
	entries := config.Entries
	k.config.Entries = nil
	var err error
	if k.config.Max, err = sdstore.Quota(); err != nil {
		return nil, fmt.Errorf("reload: %w", err)
	}
	return k, k.open(entries)
}

// open makes the store of entries, in place of the one there may be.
func (k *keeping) open(entries []activation.Entry) error {
	config := k.config
	config.Entries = entries
	store, err := sdstore.Open(config)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if before := k.store.Swap(store); before != nil {
		return before.Close()
	}
	return nil
}

func (k *keeping) close() error { return k.store.Load().Close() }

// used is how many entries the store has, and how many it may have.
func (k *keeping) used() (used, max int) { return k.store.Load().Used() }

// findOrigin finds out how the last process ended, where this one is no successor.
func (k *keeping) findOrigin() {
	store := k.store.Load()
	last, err := store.Ending()
	switch {
	case len(store.List()) == 0:
		k.origin = FromFirstStart
	case err == nil && last.Stopped:
		k.origin = FromRestart
	default:
		k.origin = FromCrash
	}
}

func (k *keeping) add(name string, keeper Keeper) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, other := range k.keepers {
		if other.name == name {
			return fmt.Errorf("reload: there is a Keeper %q already", name)
		}
	}
	k.keepers = append(k.keepers, &kept{name: name, keeper: keeper})
	return nil
}

// all returns the Keepers in the order of Keep.
func (k *keeping) all() []*kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.keepers)
}

// offer notes the predecessor's entries, which the next Adopt is about.
func (k *keeping) offer(entries []activation.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.offered = entries
}

// keeps reports whether there are Keepers, which want the contents of the store.
func (k *keeping) keeps() bool { return len(k.all()) > 0 }

// holds reports whether there is something to hand over.
func (k *keeping) holds() bool { return len(k.store.Load().List()) > 0 }

// beginAdopt has the Keepers adopt, beside the loop. It reports false if
// there is nothing to do, and else calls done once.
func (k *keeping) beginAdopt(done func(error)) bool {
	k.mu.Lock()
	keepers, offered := slices.Clone(k.keepers), k.offered
	k.offered = nil
	k.mu.Unlock()
	if offered == nil && len(keepers) == 0 {
		k.reportLeftovers()
		return false
	}
	k.begin("Adopt", func(ctx context.Context, now func(*kept)) error {
		if offered != nil {
			if err := k.open(offered); err != nil {
				return err
			}
		}
		return k.adopt(ctx, keepers, now)
	}, done)
	return true
}

func (k *keeping) adopt(ctx context.Context, keepers []*kept, now func(*kept)) error {
	from := k.origin
	k.store.Load().Resume()
	for i, keeper := range keepers {
		if keeper.holds {
			continue
		}
		now(keeper)
		if err := keeper.keeper.Adopt(ctx, k.share(keeper), from); err != nil {
			err = fmt.Errorf("reload: %v: adopting the state of a %v: %w", keeper, from, err)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.patience)
			defer cancel()
			return errors.Join(err, k.parkAll(ctx, keepers[:i], now))
		}
		keeper.holds = true
	}
	k.origin = FromTakeBack
	if len(keepers) > 0 && from != FromUpgrade && from != FromTakeBack {
		k.saveEnding(ctx, sdstore.Ending{})
	}
	k.reportLeftovers()
	k.log.Info("adopted", "from", from.String())
	return nil
}

// beginPark has the Keepers park, beside the loop. last: for the end of the service, not for a successor. It reports false if there is
// nothing to do, and else calls done once.
func (k *keeping) beginPark(last bool, done func(error)) bool {
	if !k.keeps() {
		return false
	}
	k.parked = k.begin("Park", func(ctx context.Context, now func(*kept)) error {
		if err := k.parkAll(ctx, k.all(), now); err != nil {
			err = fmt.Errorf("%w: %w", ErrStore, err)
			k.log.Error("parking", "error", err)
			return err
		}
		store := k.store.Load()
		if last {
			store.Resume()
			k.saveEnding(ctx, sdstore.Ending{Stopped: true})
		}
		store.Stop()
		return nil
	}, done)
	return true
}

// parkAll has those of the Keepers park that hold something, the last one first. All that one
// of them puts into the store is safe, whatever becomes of the others.
func (k *keeping) parkAll(ctx context.Context, keepers []*kept, now func(*kept)) error {
	var failed []error
	for _, keeper := range slices.Backward(keepers) {
		if !keeper.holds {
			continue
		}
		now(keeper)
		keeper.holds = false
		if err := keeper.keeper.Park(ctx, k.share(keeper)); err != nil {
			failed = append(failed, fmt.Errorf("%v: %w", keeper, err))
		}
	}
	return errors.Join(failed...)
}

func (k *keeping) share(keeper *kept) *fdstore.Store {
	return (*fdstore.Store)(k.store.Load().Share(keeper.name))
}

// begin has Keepers do something, one thing at a time, beside the loop. done is
// called with the outcome. over is closed when nobody waits for it any more: when it
// has ended, or hangs.
func (k *keeping) begin(method string, do func(ctx context.Context, now func(*kept)) error, done func(error)) (over chan struct{}) {
	over = make(chan struct{})
	ended := make(chan error, 1)
	var at atomic.Pointer[kept]
	go func() {
		k.turn <- struct{}{}
		defer func() { <-k.turn }()
		ctx, cancel := context.WithTimeout(context.Background(), k.patience)
		defer cancel()
		ended <- do(ctx, at.Store)
	}()
	go func() {
		defer close(over)
		select {
		case err := <-ended:
			done(err)
		case <-time.After(2 * k.patience):
			done(&hungError{method, at.Load()})
		}
	}()
	return over
}

// hungError is that of a Keeper that was to return long ago. Nobody may touch its
// state while it runs, so this process cannot serve again: the next one can.
type hungError struct {
	method string
	by     *kept // nil: it waits for one that hangs
}

func (e *hungError) Error() string {
	if e.by == nil {
		return fmt.Sprintf("reload: a Keeper hangs, and the next %s cannot begin", e.method)
	}
	return fmt.Sprintf("reload: %s of %v does not return", e.method, e.by)
}

func (k *keeping) saveEnding(ctx context.Context, e sdstore.Ending) {
	if err := k.store.Load().SaveEnding(ctx, e); err != nil {
		k.log.Warn("the store is of no use", "error", err)
	}
}

// reportLeftovers logs the entries that no Keeper has asked for: they are another build's.
func (k *keeping) reportLeftovers() {
	for _, left := range k.store.Load().Leftovers() {
		k.log.Warn("an entry of the store that this build does not know", "name", left.FDName, "keeper", left.Name.Keeper)
	}
}

// contents are the entries for a successor, borrowed.
func (k *keeping) contents() []handover.Descriptor {
	var all []handover.Descriptor
	for _, e := range k.store.Load().Entries() {
		all = append(all, handover.Descriptor{Name: e.Name, FD: e.FD})
	}
	return all
}

// heard takes note of the successor's changes to the store, for the case that this process
// takes back. It owns the descriptors.
func (k *keeping) heard(m handover.Message, fds []int) {
	switch m := m.(type) {
	case handover.Stored:
		if len(m.Names) != len(fds) {
			descriptor.CloseAll(fds)
			return
		}
		fresh := make([]activation.Entry, len(fds))
		for i, fd := range fds {
			fresh[i] = activation.Entry{Name: m.Names[i], FD: fd}
		}
		k.store.Load().Learn(fresh)
	case handover.Removed:
		descriptor.CloseAll(fds) // it carries none
		k.store.Load().Forget(m.Names)
	}
}
