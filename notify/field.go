package notify

import (
	"errors"
	"fmt"

	"github.com/instar-project/instar/internal/oneline"
)

// ErrInvalid is matched by every error that says a notification could not be
// built from its fields: nothing was sent, and sending it again will not help.
var ErrInvalid = errors.New("invalid notification")

// Field is one thing to tell the service manager: an assignment of sd_notify(3),
// or the few that only make sense together, with the descriptors that belong to
// it. Fields are made by the functions and variables of this package; the zero
// Field is invalid. A Field made from a bad value is invalid too, and Send says
// why.
type Field struct {
	assignments []assignment
	fds         []int // borrowed from the caller until Send returns
	err         error // why the field cannot be sent
}

// assignment is one line of a datagram.
type assignment struct{ key, value string }

// assign returns the field of one assignment.
func assign(key, value string) Field {
	return Field{assignments: []assignment{{key, value}}}
}

// invalid returns a field that makes Send fail with the reason.
func invalid(key, format string, args ...any) Field {
	return Field{err: fmt.Errorf("%s=: %s", key, fmt.Sprintf(format, args...))}
}

// maxOneLine is the longest text OneLine returns, in bytes: long enough for a
// wrapped error, and short enough to leave room for other fields in a datagram.
const maxOneLine = 1024

// OneLine makes any text fit for [Status]: control characters, line ends among
// them, become spaces, bytes that are not UTF-8 become U+FFFD, and a text of more
// than 1024 bytes is cut and ends in an ellipsis. It is for text of foreign origin,
// such as an error or another program's output: a READY=1 that must go out should
// not fail on the words beside it.
func OneLine(text string) string { return oneline.Head(oneline.Valid(text), maxOneLine) }
