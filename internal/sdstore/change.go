package sdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/notify"
)

// Discard removes leftovers, by the FDName that [Store.Leftovers] reports.
func (s *Store) Discard(ctx context.Context, fdNames ...string) error {
	s.change.Lock()
	defer s.change.Unlock()
	for _, fdName := range fdNames {
		s.mu.Lock()
		leftover := slices.ContainsFunc(s.inventory.items, func(it item) bool { return it.fdName == fdName && !it.asked })
		s.mu.Unlock()
		if !leftover {
			return fmt.Errorf("fdstore: discard %q: %w among the leftovers: use Remove for an entry that the program knows", fdName, ErrNotFound)
		}
	}
	if err := s.remove(ctx, fdNames); err != nil {
		return fmt.Errorf("fdstore: discard %q: %w", fdNames, err)
	}
	return nil
}

// Tidy removes entries that a newer one of the same name has replaced: a process died
// between the two steps. Nothing reads them; they only count. A main process calls
// it once it may change the store.
func (s *Store) Tidy(ctx context.Context) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	names := s.inventory.superseded(Key{})
	s.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	if err := s.remove(ctx, names); err != nil {
		return fmt.Errorf("fdstore: tidy %q: %w", names, err)
	}
	return nil
}

// Poll says whether systemd looks after an entry.
type Poll int

// systemd drops an entry that is Polled when its other end hangs up.
const (
	Polled    Poll = iota
	NotPolled      // FDPOLL=0
)

// store puts descriptors, borrowed, under one key, and unless they are
// parts of a bundle, which belong together, removes the entries that they replace. s.change is
// held, s.mu is not.
func (s *Store) store(ctx context.Context, op string, key Key, poll Poll, fds ...int) error {
	if err := s.mayStore(); err != nil {
		return opError(op, key, err)
	}
	fresh, err := s.admit(key, fds)
	if err != nil {
		return opError(op, key, err)
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := s.send(ctx, fresh, poll); err != nil {
		closeItems(fresh)
		return opError(op, key, err)
	}
	s.mu.Lock()
	for _, it := range fresh {
		s.inventory.add(it)
	}
	superseded := s.inventory.superseded(key)
	s.mu.Unlock()
	// The new entry is confirmed. An old one that stays is superseded, and tidied away
	// some day: no reason to say that the change has failed.
	if len(superseded) > 0 && s.sendRemoval(superseded) == nil {
		_ = s.confirm(ctx)
	}
	return nil
}

// mayStore checks all that depends on neither the name nor the descriptor.
func (s *Store) mayStore() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped != nil:
		return s.stopped
	case s.notifier == nil:
		return fmt.Errorf("%w: not run by systemd, or with NotifyAccess=none ($NOTIFY_SOCKET is not set): %s", ErrNoStore, quotaAdvice)
	case s.max == 0:
		return fmt.Errorf("%w: FileDescriptorStoreMax= is 0 ($FDSTORE): %s", ErrNoStore, quotaAdvice)
	}
	return nil
}

// admit numbers the entries and counts them. It returns none if the one
// descriptor is stored already, under this very name.
func (s *Store) admit(key Key, fds []int) ([]item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range fds {
		same, ok := s.inventory.same(fd)
		if !ok {
			continue
		}
		if current, _ := s.inventory.current(key); current.fdName == same.fdName {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: %s", errSameFile, same.fdName)
	}
	if used := s.used(); used+len(fds) > s.max {
		return nil, fmt.Errorf("%w: the file descriptor store is full: it has %d of %d entries and this takes %d more (a replacement needs one for a moment): raise FileDescriptorStoreMax= or remove leftovers",
			ErrFull, used, s.max, len(fds))
	}
	var fresh []item
	for _, fd := range fds {
		dup, err := Duplicate(fd)
		if err != nil {
			closeItems(fresh)
			return nil, err
		}
		it := newItem(s.inventory.fresh(key).String(), dup)
		it.asked = true
		fresh = append(fresh, it)
	}
	return fresh, nil
}

func closeItems(items []item) {
	for _, it := range items {
		unix.Close(it.fd)
	}
}

// send stores the items and waits until systemd has confirmed them. If it does not,
// the same socket tells it to remove them again, which it reads right after.
func (s *Store) send(ctx context.Context, items []item, poll Poll) (err error) {
	announced := make([]activation.Entry, len(items))
	for i, it := range items {
		announced[i] = activation.Entry{Name: it.fdName, FD: it.fd}
	}
	s.storing(announced)
	var sent []string
	for _, it := range items {
		field := notify.FDStore(it.fdName, it.fd)
		if poll == NotPolled {
			field = notify.FDStoreNoPoll(it.fdName, it.fd)
		}
		if err = s.notifier.Send(field); err != nil {
			break
		}
		sent = append(sent, it.fdName)
	}
	if err == nil {
		err = s.confirm(ctx)
	}
	if err != nil {
		var names []string
		for _, e := range announced {
			names = append(names, e.Name)
		}
		s.removing(names)
		for _, fdName := range sent {
			_ = s.notifier.Send(notify.FDStoreRemove(fdName))
		}
	}
	return err
}

func (s *Store) confirm(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	if err := s.notifier.Barrier(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return nil
}

// remove removes entries by FDNAME and waits until systemd has confirmed it. s.change
// is held, s.mu is not.
func (s *Store) remove(ctx context.Context, fdNames []string) error {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped != nil {
		return stopped
	}
	if s.notifier == nil {
		return fmt.Errorf("%w: not run by systemd ($NOTIFY_SOCKET is not set)", ErrNoStore)
	}
	if err := s.sendRemoval(fdNames); err != nil {
		return err
	}
	return s.confirm(ctx)
}

// sendRemoval asks systemd to remove entries, and forgets those it could ask for:
// systemd reads that before anything that is stored later, so they no longer count.
func (s *Store) sendRemoval(fdNames []string) error {
	s.removing(fdNames)
	for _, fdName := range fdNames {
		if err := s.notifier.Send(notify.FDStoreRemove(fdName)); err != nil {
			return err
		}
		s.mu.Lock()
		s.inventory.drop(fdName)
		s.mu.Unlock()
	}
	return nil
}

// opError adds the operation and the entry.
func opError(op string, key Key, err error) error {
	return fmt.Errorf("fdstore: %s %v: %w", op, key, err)
}

// Duplicate copies a descriptor. The copy does not pass to programs that the process starts.
func Duplicate(fd int) (int, error) {
	dup, err := descriptor.Duplicate(fd, 3)
	if errors.Is(err, unix.EMFILE) {
		return -1, fmt.Errorf("duplicate descriptor %d: %w: raise LimitNOFILE=", fd, err)
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	return dup, nil
}
