package fdstore

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/notify"
)

// Put stores a descriptor under a new name. fd is borrowed. systemd drops the entry
// when the other end of fd hangs up; see [Store.PutNoPoll].
//
// Put returns when systemd has confirmed it. Its errors are [ErrNoStore], [ErrFull],
// [ErrExist], [ErrInvalidName], [ErrNameClash], [ErrSameFile], [ErrStopped] and
// [ErrUnconfirmed]; then the store is as it was.
func (s *Store) Put(ctx context.Context, name string, fd int) error {
	return s.putFD(ctx, name, fd, false, polled)
}

// PutNoPoll is [Store.Put] with FDPOLL=0: the entry stays when the other end hangs up.
func (s *Store) PutNoPoll(ctx context.Context, name string, fd int) error {
	return s.putFD(ctx, name, fd, false, notPolled)
}

// Replace is [Store.Put] for a name that may exist: at every instant the store has
// the old descriptor or the new one. It takes one more entry for a moment.
func (s *Store) Replace(ctx context.Context, name string, fd int) error {
	return s.putFD(ctx, name, fd, true, polled)
}

// ReplaceNoPoll is [Store.Replace] with FDPOLL=0.
func (s *Store) ReplaceNoPoll(ctx context.Context, name string, fd int) error {
	return s.putFD(ctx, name, fd, true, notPolled)
}

// Claim takes a descriptor out of the store: the caller has it, and closes it.
func (s *Store) Claim(ctx context.Context, name string) (*os.File, error) {
	f, err := s.File(name)
	if err != nil {
		return nil, err
	}
	if err := s.Remove(ctx, KindFD, name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Remove removes an entry, whatever its kind, and confirms it. Of a bundle that is
// every descriptor in it. [ErrNotFound] if there is none.
func (s *Store) Remove(ctx context.Context, kind Kind, name string) error {
	s.change.Lock()
	defer s.change.Unlock()
	var names []string
	s.mu.Lock()
	for _, it := range s.inventory.of(kind, name) {
		names = append(names, it.fdName)
	}
	inUse := s.open[entryName{kind: kind, name: name}] != nil
	s.mu.Unlock()
	if len(names) == 0 {
		return opError("remove", kind, name, ErrNotFound)
	}
	if inUse {
		return opError("remove", kind, name, fmt.Errorf("it is open: close it first"))
	}
	if err := s.remove(ctx, names); err != nil {
		return opError("remove", kind, name, err)
	}
	return nil
}

// Discard removes leftovers, by the FDName that [Store.Leftovers] reports.
func (s *Store) Discard(ctx context.Context, fdNames ...string) error {
	s.change.Lock()
	defer s.change.Unlock()
	for _, fdName := range fdNames {
		s.mu.Lock()
		leftover := slices.ContainsFunc(s.inventory.items, func(it item) bool { return it.fdName == fdName && !it.asked })
		s.mu.Unlock()
		if !leftover {
			return fmt.Errorf("fdstore: discard %q: %w among the leftovers: use Remove for what the program knows", fdName, ErrNotFound)
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
	names := s.inventory.superseded("", "")
	s.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	if err := s.remove(ctx, names); err != nil {
		return fmt.Errorf("fdstore: tidy %q: %w", names, err)
	}
	return nil
}

func (s *Store) putFD(ctx context.Context, name string, fd int, replace bool, poll pollMode) error {
	s.change.Lock()
	defer s.change.Unlock()
	s.mu.Lock()
	_, exists := s.inventory.current(KindFD, name)
	s.mu.Unlock()
	op := "put"
	if replace {
		op = "replace"
	} else if exists {
		return opError(op, KindFD, name, ErrExist)
	}
	return s.store(ctx, op, KindFD, name, poll, fd)
}

type pollMode int

const (
	polled    pollMode = iota // systemd drops the entry when it hangs up
	notPolled                 // FDPOLL=0
)

// store puts descriptors, borrowed, under one kind and name, and unless they are
// queues of a bundle, which belong together, removes what they replace. s.change is
// held, s.mu is not.
func (s *Store) store(ctx context.Context, op string, kind Kind, name string, poll pollMode, fds ...int) error {
	if err := s.mayStore(kind, name); err != nil {
		return opError(op, kind, name, err)
	}
	fresh, err := s.admit(op, kind, name, fds)
	if err != nil || len(fresh) == 0 {
		return err
	}
	if err := s.send(ctx, fresh, poll); err != nil {
		for _, it := range fresh {
			unix.Close(it.fd)
		}
		return opError(op, kind, name, err)
	}
	var superseded []string
	s.mu.Lock()
	for _, it := range fresh {
		s.inventory.add(it)
	}
	superseded = s.inventory.superseded(kind, name)
	s.mu.Unlock()
	// The new entry is confirmed. An old one that stays is superseded, and tidied away
	// some day: no reason to say that the change has failed.
	if len(superseded) > 0 && s.sendRemoval(superseded) == nil {
		_ = s.confirm(ctx)
	}
	return nil
}

// mayStore checks what does not depend on the descriptor.
func (s *Store) mayStore(kind Kind, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch problem := nameProblem(name); {
	case s.stopped != nil:
		return s.stopped
	case problem != "":
		return fmt.Errorf("%w: it %s", ErrInvalidName, problem)
	case slices.Contains(s.sockets, name):
		return fmt.Errorf("%w: a .socket unit has FileDescriptorName=%s: choose another name", ErrNameClash, name)
	case s.notifier == nil:
		return fmt.Errorf("%w: not run by systemd, or with NotifyAccess=none ($NOTIFY_SOCKET is not set): %s", ErrNoStore, quotaAdvice)
	case s.max == 0:
		return fmt.Errorf("%w: FileDescriptorStoreMax= is 0 ($FDSTORE): %s", ErrNoStore, quotaAdvice)
	}
	return nil
}

// admit numbers the entries and counts them. It returns none if the one
// descriptor is stored already, under this very name.
func (s *Store) admit(op string, kind Kind, name string, fds []int) ([]item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range fds {
		same, ok := s.inventory.same(fd)
		if !ok {
			continue
		}
		if current, _ := s.inventory.current(kind, name); current.fdName == same.fdName {
			return nil, nil
		}
		return nil, opError(op, kind, name, fmt.Errorf("%w: %s", ErrSameFile, same.fdName))
	}
	if used := s.used(); used+len(fds) > s.max {
		return nil, &FullError{Op: op, Name: name, Used: used, Need: len(fds), Max: s.max}
	}
	var fresh []item
	for _, fd := range fds {
		dup, err := duplicate(fd)
		if err != nil {
			for _, it := range fresh {
				unix.Close(it.fd)
			}
			return nil, opError(op, kind, name, err)
		}
		it := newItem(s.inventory.fresh(kind, name).String(), dup)
		it.asked = true
		fresh = append(fresh, it)
	}
	return fresh, nil
}

// send stores the items and waits until systemd has confirmed them. If it does not,
// the same socket tells it to remove them again, which it reads right after.
func (s *Store) send(ctx context.Context, items []item, poll pollMode) (err error) {
	announced := make([]activation.Entry, len(items))
	for i, it := range items {
		announced[i] = activation.Entry{Name: it.fdName, FD: it.fd}
	}
	s.storing(announced)
	var sent []string
	for _, it := range items {
		field := notify.FDStore(it.fdName, it.fd)
		if poll == notPolled {
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
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
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
