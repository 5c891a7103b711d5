package sdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Share is a Keeper's part of the store: the entries that bear its name.
type Share struct {
	store  *Store
	keeper string
}

// Share returns the part of the Keeper of that name, which [CheckKeeper] finds nothing wrong with.
func (s *Store) Share(keeper string) *Share { return &Share{s, keeper} }

func (s *Share) key(kind Kind, name string) Key { return Key{kind, s.keeper, name} }

// Put stores a descriptor, borrowed, and removes the one that it replaces: at every instant
// the store has one of them.
func (s *Share) Put(ctx context.Context, op string, kind Kind, name string, poll Poll, fd int) error {
	s.store.change.Lock()
	defer s.store.change.Unlock()
	if err := s.MayPut(op, kind, name); err != nil {
		return err
	}
	return s.store.store(ctx, op, s.key(kind, name), poll, fd)
}

// Add stores another part of a bundle, borrowed.
func (s *Share) Add(ctx context.Context, name string, fd int) error {
	return s.Put(ctx, "store", Bundle, name, NotPolled, fd)
}

// MayPut returns why nothing can be put under a name, whatever it is; nil: something can.
func (s *Share) MayPut(op string, kind Kind, name string) error {
	key := s.key(kind, name)
	err := s.store.mayStore()
	if problem := s.store.problem(key); problem != "" && err == nil {
		err = fmt.Errorf("%w: it %s", ErrInvalidName, problem)
	}
	if err != nil {
		return opError(op, key, err)
	}
	return nil
}

// problem is the reason why a Keeper cannot use a name, in words that follow it; "" if it
// can.
func (s *Store) problem(key Key) string {
	switch {
	case key.Keeper == "" && key.Name == endingKey.Name:
		return "is the library's own"
	case key.Keeper == "" && slices.Contains(s.sockets, key.Name):
		return fmt.Sprintf("is a socket's: a .socket unit has FileDescriptorName=%s: choose another name", key.Name)
	}
	return key.problem()
}

// Get returns a duplicate of the current descriptor.
func (s *Share) Get(op string, kind Kind, name string) (int, error) {
	return s.store.get(op, s.key(kind, name))
}

func (s *Store) get(op string, key Key) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it, ok := s.inventory.current(key)
	if !ok {
		return -1, opError(op, key, ErrNotFound)
	}
	fd, err := Duplicate(it.fd)
	if err != nil {
		return -1, opError(op, key, err)
	}
	return fd, nil
}

// Parts calls do with a duplicate of each part of a bundle, which it owns.
func (s *Share) Parts(name string, do func(fd int) error) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, it := range s.store.inventory.of(s.key(Bundle, name)) {
		fd, err := Duplicate(it.fd)
		if err != nil {
			return err
		}
		if err := do(fd); err != nil {
			return fmt.Errorf("%s: %w", it.fdName, err)
		}
	}
	return nil
}

// Use opens a journal or a bundle, of which there is one user at a time: two would each
// write as if they were alone. No change, and no Stop, comes between begin's own: it stores
// with put. Stop calls end; a user that ends by itself calls [Share.Leave].
func (s *Share) Use(kind Kind, name string, end func(), begin func(put func(ctx context.Context, fds ...int) error) error) error {
	key := s.key(kind, name)
	s.store.change.Lock()
	defer s.store.change.Unlock()
	err := s.store.use(key, end)
	if err != nil {
		return opError("open", key, err)
	}
	err = begin(func(ctx context.Context, fds ...int) error {
		if err := s.MayPut("create", kind, name); err != nil {
			return err
		}
		return s.store.store(ctx, "create", key, NotPolled, fds...)
	})
	if err != nil {
		s.Leave(kind, name)
	}
	return err
}

func (s *Store) use(key Key, end func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[key] != nil {
		return errors.New("it is open already: close that first")
	}
	if s.stopped != nil {
		return s.stopped
	}
	s.open[key] = end
	return nil
}

// Leave ends a Use.
func (s *Share) Leave(kind Kind, name string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	delete(s.store.open, s.key(kind, name))
}

// Remove removes the entries of that name, of every kind, and confirms it.
func (s *Share) Remove(ctx context.Context, name string) error {
	s.store.change.Lock()
	defer s.store.change.Unlock()
	fdNames, err := s.store.named(s.keeper, name)
	if err == nil {
		err = s.store.remove(ctx, fdNames)
	}
	if err == nil {
		s.Gauge(name).Set(0)
	} else {
		return fmt.Errorf("fdstore: remove %q: %w", Key{"", s.keeper, name}.path(), err)
	}
	return nil
}

// named returns the FDNAMEs of a Keeper's entries of a name, none of which is in use.
func (s *Store) named(keeper, name string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fdNames []string
	for _, it := range s.inventory.items {
		switch {
		case it.Kind == "" || it.Keeper != keeper || it.Name.Name != name || it.Key == endingKey:
		case s.open[it.Key] != nil:
			return nil, fmt.Errorf("the %s is open: close it first", it.Kind)
		case !slices.Contains(fdNames, it.fdName):
			fdNames = append(fdNames, it.fdName)
		}
	}
	if len(fdNames) == 0 {
		return nil, ErrNotFound
	}
	return fdNames, nil
}

// Leftovers returns the names of the Keeper's entries that it has not asked for.
func (s *Share) Leftovers() []string {
	var names []string
	for _, left := range s.store.Leftovers() {
		if n := left.Name; n.Kind != "" && n.Keeper == s.keeper && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
		}
	}
	return names
}
