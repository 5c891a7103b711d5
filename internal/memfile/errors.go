package memfile

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt: this package did not write it, or not like this.
	ErrCorrupt = errors.New("corrupt")

	// ErrForeign: this package has not written it. It is an ErrCorrupt.
	ErrForeign = kind("not written by this package")

	// ErrTruncated: there is less of it than its header says. It is an ErrCorrupt.
	ErrTruncated = kind("truncated")

	// ErrNewer: a later version of this package or of the application wrote it.
	ErrNewer = errors.New("newer")
)

// corruption is a kind of ErrCorrupt.
type corruption struct{ text string }

func kind(text string) error { return &corruption{text} }

func (c *corruption) Error() string { return c.text }

func (c *corruption) Unwrap() error { return ErrCorrupt }

// Newer is an ErrNewer of the "format", which is this package's, or the "schema", which is the
// application's.
func Newer(name, version string, found, known uint32) error {
	return fmt.Errorf("%s: %w %s: it has version %d, this program reads up to %d: run the program that wrote it, or remove the entry",
		name, ErrNewer, version, found, known)
}
