package notify

import (
	"fmt"
	"strings"
)

// maxDatagram is the longest datagram that systemd reads, in bytes
// (NOTIFY_BUFFER_MAX); it ignores longer ones altogether.
const maxDatagram = 4096

// encode appends the datagram of fields to buf and returns it with the descriptors
// to attach, which stay borrowed. On error, which matches ErrInvalid, the returned
// slices are nil. It has no side effects.
//
// Only this function decides which fields may stand together, and makes sure that
// no value becomes a line of its own, whichever constructor it came through.
func encode(buf []byte, fields []Field) (text []byte, fds []int, err error) {
	start := len(buf)
	for i, field := range fields {
		if err := field.check(fields[:i]); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		for _, a := range field.assignments {
			if len(buf) > start {
				buf = append(buf, '\n')
			}
			buf = append(buf, a.key...)
			buf = append(buf, '=')
			buf = append(buf, a.value...)
		}
		if field.fds != nil {
			fds = field.fds
		}
	}
	switch size := len(buf) - start; {
	case size == 0:
		return nil, nil, fmt.Errorf("%w: it has no fields", ErrInvalid)
	case size > maxDatagram:
		return nil, nil, fmt.Errorf("%w: it has %d bytes, and systemd ignores messages of more than %d: shorten STATUS=", ErrInvalid, size, maxDatagram)
	}
	return buf, fds, nil
}

// check says whether f is valid by itself and after the fields before it.
func (f Field) check(before []Field) error {
	if f.err != nil {
		return f.err
	}
	if len(f.assignments) == 0 {
		return fmt.Errorf("a zero Field: use the functions of package notify to make one")
	}
	for _, a := range f.assignments {
		if i := strings.IndexAny(a.value, "\n\x00"); i >= 0 {
			return fmt.Errorf("%s=: %q has %q at byte %d, which ends a field", a.key, a.value, a.value[i], i)
		}
	}
	for _, other := range before {
		if err := f.checkBeside(other); err != nil {
			return err
		}
	}
	return nil
}

// checkBeside says whether f and other may share a datagram.
func (f Field) checkBeside(other Field) error {
	for _, a := range f.assignments {
		for _, b := range other.assignments {
			if a.key == b.key {
				return fmt.Errorf("%s= is given twice: a datagram holds it once, so send two", a.key)
			}
			if changesState(a.key) && changesState(b.key) {
				return fmt.Errorf("%s= beside %s=: systemd acts on one of them only, so send two datagrams", a.key, b.key)
			}
		}
	}
	// Descriptors come as one row, without a mark of whose they are.
	if f.fds != nil && other.fds != nil {
		return fmt.Errorf("%s= and %s= both attach descriptors: send two datagrams", f.assignments[0].key, other.assignments[0].key)
	}
	return nil
}

// changesState reports whether an assignment moves the unit from state to state.
func changesState(key string) bool {
	return key == "READY" || key == "RELOADING" || key == "STOPPING"
}
