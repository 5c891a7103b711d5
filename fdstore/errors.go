package fdstore

import (
	"errors"
	"fmt"
)

// What a caller may want to tell apart, with [errors.Is].
var (
	// ErrNoStore: there is no store to put anything into: the service does not run
	// under systemd, or its unit says FileDescriptorStoreMax=0.
	ErrNoStore = errors.New("no file descriptor store")

	// ErrFull: the store has no room for another entry. The error is a [*FullError].
	ErrFull = errors.New("file descriptor store is full")

	// ErrUnconfirmed: systemd did not answer the barrier in time, so nobody knows
	// whether the change was made. What was to be replaced is still in the store.
	ErrUnconfirmed = errors.New("not confirmed by systemd")

	// ErrInvalidName: no entry can have that name.
	ErrInvalidName = errors.New("invalid entry name")

	// ErrNameClash: a socket of the service has the name already.
	ErrNameClash = errors.New("name is a socket's")

	// ErrExist: the store has an entry of that kind and name already.
	ErrExist = errors.New("entry exists already")

	// ErrNotFound: the store has no entry of that kind and name.
	ErrNotFound = errors.New("no such entry")

	// ErrSameFile: the store has the same open file description under another name;
	// systemd would drop the second one without a word.
	ErrSameFile = errors.New("same file is stored under another name")

	// ErrStopped: the store was stopped or closed: another process writes to it now.
	ErrStopped = errors.New("store is stopped")

	// ErrForeign: the descriptor is not what this package wrote: not a blob, not a
	// journal, not a bundle's queue.
	ErrForeign = errors.New("not written by this package")

	// ErrTruncated: there is less of it than its header says.
	ErrTruncated = errors.New("truncated")

	// ErrCorrupt: a checksum does not match.
	ErrCorrupt = errors.New("corrupt")

	// ErrNewerFormat: written by a version of this package that this one does not
	// understand. The error is a [*VersionError].
	ErrNewerFormat = errors.New("newer format")

	// ErrNewerSchema: written by a version of the application whose schema this
	// one does not know. The error is a [*VersionError].
	ErrNewerSchema = errors.New("newer schema")

	// ErrJournalFull: the record does not fit; rotate the journal.
	ErrJournalFull = errors.New("journal is full")

	// ErrLabelTooLong: the label is longer than [MaxLabel].
	ErrLabelTooLong = errors.New("label is too long")

	// ErrInFlight: the kernel lets this user have no more descriptors in socket
	// queues: as many as LimitNOFILE= says, in all processes together, unless the
	// process has CAP_SYS_RESOURCE or CAP_SYS_ADMIN (unix(7), ETOOMANYREFS).
	ErrInFlight = errors.New("too many descriptors in flight")
)

// FullError says how full the store is. It is an [ErrFull].
type FullError struct {
	Op   string // what was tried: "put"
	Name string // the entry that found no room
	Used int    // entries in the store
	Need int    // entries that were to be added
	Max  int    // FileDescriptorStoreMax=
}

func (e *FullError) Error() string {
	return fmt.Sprintf("fdstore: %s %q: %v: it has %d of %d entries and this takes %d more (a replacement needs one for a moment): raise FileDescriptorStoreMax= or remove leftovers",
		e.Op, e.Name, ErrFull, e.Used, e.Max, e.Need)
}

// Unwrap returns [ErrFull].
func (e *FullError) Unwrap() error { return ErrFull }

// VersionError says which version was found, and which is the highest this
// program reads. It is an [ErrNewerFormat] or an [ErrNewerSchema].
type VersionError struct {
	Name  string // the entry
	Found uint32
	Known uint32
	Err   error // ErrNewerFormat or ErrNewerSchema
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("fdstore: %s: %v: it has version %d, this program reads up to %d: run the program that wrote it, or remove the entry",
		e.Name, e.Err, e.Found, e.Known)
}

// Unwrap returns Err.
func (e *VersionError) Unwrap() error { return e.Err }
