package activation

import (
	"errors"
	"fmt"
)

// Kinds of errors, to tell apart with [errors.Is].
var (
	// ErrMalformed: the LISTEN_* variables are not as systemd writes them. The
	// error quotes the variable and its value.
	ErrMalformed = errors.New("malformed environment")

	// ErrNotActivated: the process was passed no descriptors at all: it was started
	// by hand, its .socket unit is not active, or a wrapper stands between.
	ErrNotActivated = errors.New("not socket-activated")

	// ErrMissing: descriptors were passed, but none of that name.
	ErrMissing = errors.New("no socket of that name")

	// ErrDuplicate: several descriptors have the name where one was asked for.
	ErrDuplicate = errors.New("several sockets of that name")

	// ErrWrongType: the descriptor is of another type than the getter, or [Only],
	// asked for.
	ErrWrongType = errors.New("socket of the wrong type")

	// ErrWrongAddress: the descriptor is not where [BoundTo] expects it.
	ErrWrongAddress = errors.New("socket at the wrong address")

	// ErrAcceptYes: the descriptor is a single connection (Accept=yes).
	ErrAcceptYes = errors.New("socket unit has Accept=yes")

	// ErrUnclaimed: a socket was passed that the program never asked for.
	ErrUnclaimed = errors.New("socket never asked for")

	// ErrInvalidName: the name can never be a socket's: not a valid
	// FileDescriptorName=, or one with the prefix "instar.".
	ErrInvalidName = errors.New("invalid socket name")

	// ErrClosed: the Set was closed before.
	ErrClosed = errors.New("set is closed")
)

// Error is the error of a getter: the request, the problem, the advice.
type Error struct {
	Op      string // the method: "Listener"
	Name    string // the socket's name
	found   fdKind // with ErrWrongType: the kind of the descriptor
	Problem string // why the descriptor does not fit
	Advice  string // how to mend it; may be ""
	Err     error  // one of the sentinels above, or the error of a Check or system call
}

func (e *Error) Error() string {
	s := fmt.Sprintf("activation: %s(%q): %s", e.Op, e.Name, e.Problem)
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// environmentError says which variable systemd would not have written like that.
// It is an [ErrMalformed].
type environmentError struct {
	Variable string // "LISTEN_FDS"
	Value    string // as it was found
	Problem  string // why it is malformed
}

func (e *environmentError) Error() string {
	return fmt.Sprintf("activation: malformed environment: %s=%q: %s; the starter of this process must set it as sd_listen_fds(3) says", e.Variable, e.Value, e.Problem)
}

// Unwrap returns [ErrMalformed].
func (e *environmentError) Unwrap() error { return ErrMalformed }
