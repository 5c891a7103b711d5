package fdstore

import (
	"context"
	"os"

	"github.com/instar-project/instar/internal/sdstore"
)

// Store is a Keeper's part of the service's file descriptor store: its entries, by names that
// are its own, whatever other Keepers call theirs. A name is printable ASCII without ':' and
// '/', 200 bytes at most together with that of the Keeper.
//
// A [reload.Keeper] is given one; in a test, package storetest makes one. Its methods may be
// called from several goroutines at once; changes wait for each other, reading waits for
// nothing.
//
// [reload.Keeper]: https://pkg.go.dev/github.com/instar-project/instar/reload#Keeper
type Store sdstore.Share

func (s *Store) share() *sdstore.Share { return (*sdstore.Share)(s) }

// Put stores a descriptor under a name. fd is borrowed. A descriptor that was there is
// replaced: at every instant the store has the old one or the new one, which takes one more
// entry for a moment. systemd drops the entry when the other end of fd hangs up; see
// [Store.PutNoPoll].
//
// Put returns when systemd has confirmed it, which it waits for until the deadline of ctx, or
// 5 seconds if it has none. Its errors are [ErrNoStore], [ErrFull], [ErrInvalidName],
// [ErrStopped] and [ErrUnconfirmed], and one that the same open file description is in the
// store under another name; then the store is as it was.
func (s *Store) Put(ctx context.Context, name string, fd int) error {
	return s.share().Put(ctx, "put", sdstore.FD, name, sdstore.Polled, fd)
}

// PutNoPoll is [Store.Put] with FDPOLL=0: the entry stays when the other end hangs up.
func (s *Store) PutNoPoll(ctx context.Context, name string, fd int) error {
	return s.share().Put(ctx, "put", sdstore.FD, name, sdstore.NotPolled, fd)
}

// File returns the descriptor that was put under name, as a duplicate that the
// caller closes; the entry stays. [ErrNotFound] if there is none.
func (s *Store) File(name string) (*os.File, error) {
	fd, err := s.share().Get("get", sdstore.FD, name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Remove removes the entries of a name, whatever their kind, and confirms it. Of a bundle
// that is every descriptor in it. [ErrNotFound] if there is nothing. A journal or a bundle is
// closed first.
func (s *Store) Remove(ctx context.Context, name string) error { return s.share().Remove(ctx, name) }

// Leftovers returns the names of this Keeper's entries that this generation has not asked for,
// by any method that takes a name: an earlier version stored them, and this one does not know
// them. They stay until [Store.Remove], and count against FileDescriptorStoreMax=.
func (s *Store) Leftovers() []string { return s.share().Leftovers() }
