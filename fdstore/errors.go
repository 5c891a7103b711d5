package fdstore

import (
	"errors"
	"fmt"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
)

// Errors that a caller may want to tell apart, with [errors.Is].
var (
	// ErrNoStore: there is no store to put anything into: the service does not run
	// under systemd, or its unit says FileDescriptorStoreMax=0.
	ErrNoStore = sdstore.ErrNoStore

	// ErrFull: there is no room for it. The store has as many entries as
	// FileDescriptorStoreMax= says; or the record of a journal does not fit into MaxSize,
	// so it has to be rotated; or the kernel lets this user have no more descriptors in
	// socket queues, where those of bundles are: as many as LimitNOFILE= says, in all
	// processes together, unless the process has CAP_SYS_RESOURCE or CAP_SYS_ADMIN
	// (unix(7), ETOOMANYREFS). The error says which.
	ErrFull = sdstore.ErrFull

	// ErrUnconfirmed: systemd did not answer the barrier in time, so nobody knows
	// whether the change was made. The old entry is still in the store.
	ErrUnconfirmed = sdstore.ErrUnconfirmed

	// ErrInvalidName: no entry can have that name.
	ErrInvalidName = sdstore.ErrInvalidName

	// ErrNotFound: the store has no entry of that kind and name, the bundle no such ID.
	ErrNotFound = sdstore.ErrNotFound

	// ErrStopped: the store is another process's to change now, or the journal or bundle is closed.
	ErrStopped = sdstore.ErrStopped

	// ErrCorrupt: this package did not write it, or not like this: it is foreign, truncated, or
	// has a checksum that does not match.
	ErrCorrupt = memfile.ErrCorrupt

	// ErrNewer: written by a version of the application whose schema this one does not
	// know, or by a version of this package whose format this one does not know.
	ErrNewer = memfile.ErrNewer
)

var (
	errJournalFull = fmt.Errorf("%w: the journal is full", ErrFull)
	errInFlight    = fmt.Errorf("%w: too many descriptors in flight", ErrFull)

	errLabelTooLong = errors.New("label is too long")
)

// opError adds the operation and the entry.
func opError(op string, kind sdstore.Kind, name string, err error) error {
	return fmt.Errorf("fdstore: %s %s %q: %w", op, kind, name, err)
}
