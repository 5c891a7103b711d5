package sdstore

import "errors"

// The errors of package fdstore that come from here; it documents them.
var (
	ErrNoStore     = errors.New("no file descriptor store")
	ErrFull        = errors.New("no room")
	ErrUnconfirmed = errors.New("not confirmed by systemd")
	ErrInvalidName = errors.New("invalid name")
	ErrNotFound    = errors.New("no such entry")
	ErrStopped     = errors.New("store is stopped")
)

// errSameFile: systemd would drop the second of two without a word.
var errSameFile = errors.New("same file is stored under another name")
