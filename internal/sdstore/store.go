package sdstore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/notify"
)

// patience is how long a change waits for systemd if its context has no
// deadline. An idle systemd answers within a millisecond; one that has just been
// given thousands of plain entries takes seconds.
const patience = 5 * time.Second

// Config is for Open. The zero value is a store that is empty and
// answers every change with [ErrNoStore].
type Config struct {
	// Entries are those that the generation before left: set.Claim(sdstore.Reserved), whether
	// the set came from systemd or from the predecessor. Open takes ownership of every
	// descriptor.
	Entries []activation.Entry

	// Notifier reaches systemd. It is borrowed, and has to outlive the Store. Nil: the
	// process does not run under systemd.
	Notifier *notify.Notifier

	// Max is FileDescriptorStoreMax=, from [Quota]. 0: there is no store.
	Max int

	// Others is how many entries of the store are not this package's: those that
	// the application itself put there with [notify.FDStore]. They count.
	Others int

	// Storing and Removing, if set, are called with the entries that systemd is about to be
	// told of, before it is: a successor tells its predecessor, which may have to take
	// back, with [Store.Learn] and [Store.Forget]. The descriptors are borrowed.
	// They must not call the Store.
	Storing  func([]activation.Entry)
	Removing func(fdNames []string)

	// Sockets are the names of the service's sockets (activation.Set.Names). The Keeper
	// without a name has no entry of such a name, which would be taken for the socket.
	Sockets []string
}

// Info describes an entry.
type Info struct {
	Name   Name   // zero if it is of no kind that this version knows
	FDName string // as systemd-analyze fdstore shows it
}

// Store is this generation's view of the file descriptor store that systemd keeps for
// the service. Its methods may be called from several goroutines at once; changes
// wait for each other, reading waits for nothing.
type Store struct {
	notifier *notify.Notifier
	max      int
	others   int
	sockets  []string
	storing  func([]activation.Entry)
	removing func([]string)

	change sync.Mutex // held through a change, which waits for systemd; locked before mu

	mu        sync.Mutex
	inventory *inventory
	open      map[Key]func() // journals and bundles in use: closes them
	gauges    map[Key]*Gauge // of bundles
	stopped   error          // why there can be no changes

	inFlight atomic.Int64 // the sum of the gauges
}

// Open makes a Store. It changes nothing and asks systemd for nothing. On an error,
// which can only be a negative number in config, it has closed the entries.
func Open(config Config) (*Store, error) {
	if config.Max < 0 || config.Others < 0 {
		for _, e := range config.Entries {
			unix.Close(e.FD)
		}
		return nil, fmt.Errorf("sdstore: open: Max is %d and Others is %d: neither can be negative", config.Max, config.Others)
	}
	if config.Storing == nil {
		config.Storing = func([]activation.Entry) {}
	}
	if config.Removing == nil {
		config.Removing = func([]string) {}
	}
	s := &Store{
		storing:   config.Storing,
		removing:  config.Removing,
		notifier:  config.Notifier,
		max:       config.Max,
		others:    config.Others,
		sockets:   slices.Clone(config.Sockets),
		inventory: newInventory(config.Entries),
		open:      make(map[Key]func()),
		gauges:    make(map[Key]*Gauge),
	}
	s.readGauges()
	return s, nil
}

// Entries returns everything the store holds, for a successor: its Config.Entries. The
// descriptors are borrowed: they are valid until the next change.
func (s *Store) Entries() []activation.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var entries []activation.Entry
	for _, it := range s.inventory.items {
		entries = append(entries, activation.Entry{Name: it.fdName, FD: it.fd})
	}
	return entries
}

// List describes everything the store holds: first the entries that were passed, in the order
// of systemd, which is none in particular, then those that this generation has put there.
func (s *Store) List() []Info {
	return s.list(func(item) bool { return true })
}

// Leftovers describes the entries that no Keeper of this generation has asked for: an
// earlier version stored them, and this one does not know them. They stay until
// [Store.Discard], and count against the quota.
func (s *Store) Leftovers() []Info {
	return s.list(func(it item) bool { return !it.asked && it.Key != endingKey })
}

func (s *Store) list(want func(item) bool) []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	var infos []Info
	for _, it := range s.inventory.items {
		if want(it) {
			infos = append(infos, Info{it.Name, it.fdName})
		}
	}
	return infos
}

// Used returns how many entries the store has, and how many it may have.
func (s *Store) Used() (used, max int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used(), s.max
}

func (s *Store) used() int { return len(s.inventory.items) + s.others }

// Stop ends all changes: those under way are waited for, later ones are an
// [ErrStopped], open journals and bundles are closed. Reading goes on. A predecessor
// stops before it tells its successor to take over, for only one process may write.
func (s *Store) Stop() { s.stop(ErrStopped) }

// Resume allows changes again, after Stop: the predecessor takes back. Journals and
// bundles have to be opened anew, and then show a successor's changes to them.
// Entries that a successor has put or replaced are known by Learn and Forget alone.
func (s *Store) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.Is(s.stopped, errStoreClosed) {
		s.stopped = nil
	}
}

// Learn adds entries that another generation of this service has put into the
// store, with their descriptors, whose ownership it takes. systemd is told nothing.
func (s *Store) Learn(entries []activation.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.inventory.add(newItem(e.Name, e.FD))
	}
}

// Forget drops entries that another generation of this service has removed.
func (s *Store) Forget(fdNames []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range fdNames {
		s.inventory.drop(name)
	}
}

// Close closes this process's descriptors of the store. systemd's stay.
func (s *Store) Close() error {
	s.stop(fmt.Errorf("%w: %w", errStoreClosed, ErrStopped))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.inventory.items {
		unix.Close(it.fd)
	}
	s.inventory.items = nil
	return nil
}

var errStoreClosed = errors.New("store is closed")

func (s *Store) stop(reason error) {
	s.change.Lock() // whatever is under way is finished
	s.mu.Lock()
	s.stopped = reason
	var closers []func()
	for _, closer := range s.open {
		closers = append(closers, closer)
	}
	s.mu.Unlock()
	s.change.Unlock()
	// Unlocked: a journal that is about to rotate holds its own lock, and asks the
	// store, which answers that it is stopped.
	for _, closer := range closers {
		closer()
	}
}
