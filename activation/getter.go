package activation

import (
	"fmt"
	"io"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/fdname"
)

// getter is one pair of methods, for one socket and for several.
type getter struct {
	name       string // of the singular
	takes      string // the kind that it hands out, in words
	directives string // the directives that make those
	byHand     string // how systemd-socket-activate makes one; "" if it cannot
}

var (
	asListener = &getter{
		name:       "Listener",
		takes:      "a listener",
		directives: "ListenStream= or ListenSequentialPacket=",
		byHand:     "systemd-socket-activate",
	}
	asPacketConn = &getter{
		name:       "PacketConn",
		takes:      "a UDP or Unix datagram socket",
		directives: "ListenDatagram=",
		byHand:     "systemd-socket-activate --datagram",
	}
	asFile = &getter{
		name:       "File",
		takes:      "a plain file",
		directives: "ListenFIFO=, ListenSpecial=, ListenNetlink= or ListenMessageQueue=",
	}
)

// request is one call of a getter.
type request struct {
	*getter
	many   bool   // the plural was called
	wanted string // the name asked for
	checks []Check
}

// method is the method that was called, or its like of another getter.
func (r request) method(g *getter) string {
	if r.many {
		return g.name + "s"
	}
	return g.name
}

func (r request) error(err error, problem, advice string) *Error {
	return &Error{Op: r.method(r.getter), Name: r.wanted, Problem: problem, Advice: advice, Err: err}
}

// get finds, checks and duplicates the descriptors that r asks for, and calls open
// to make a T of each duplicate. Open takes ownership of fd. On an error nothing
// stays open.
func get[T io.Closer](s *Set, r request, open func(fd int, kind fdKind, name string) (T, error)) ([]T, error) {
	duplicates, err := s.duplicates(r)
	if err != nil {
		return nil, err
	}
	var opened []T
	for i, d := range duplicates {
		o, err := open(d.fd, d.kind, r.wanted)
		if err != nil {
			for _, o := range opened {
				o.Close()
			}
			closeAll(duplicates[i+1:])
			return nil, r.error(err, fmt.Sprintf("%s: %v", d.kind, err), "")
		}
		opened = append(opened, o)
	}
	return opened, nil
}

// getOne is get for the singular.
func getOne[T io.Closer](s *Set, r request, open func(fd int, kind fdKind, name string) (T, error)) (T, error) {
	all, err := get(s, r, open)
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}

type duplicate struct {
	fd   int
	kind fdKind
}

func closeAll(duplicates []duplicate) {
	for _, d := range duplicates {
		unix.Close(d.fd)
	}
}

// duplicates returns duplicates of the descriptors r asks for, after every one
// has passed every check. The lock is held throughout, so that no descriptor is
// closed, and its number used again, between the check and the duplication.
func (s *Set) duplicates(r request) ([]duplicate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.find(r)
	if err != nil {
		return nil, err
	}
	var all []duplicate
	for _, e := range found {
		kind, err := r.check(e.FD)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		fd, err := descriptor.Duplicate(e.FD, 0)
		if err != nil {
			closeAll(all)
			return nil, r.error(err, fmt.Sprintf("duplicate fd %d: %v", e.FD, err), "")
		}
		all = append(all, duplicate{fd, kind})
	}
	return all, nil
}

// find returns the entries r asks for, whatever they are; at least one, or an error.
func (s *Set) find(r request) ([]Entry, error) {
	if s.closed {
		return nil, r.error(ErrClosed, "the set has been closed", "call its getters before Close")
	}
	if problem := fdname.Problem(r.wanted); problem != "" {
		return nil, r.error(ErrInvalidName, "the name "+problem, "ask for a name as FileDescriptorName= takes it")
	}
	if reserved(r.wanted) {
		return nil, r.error(ErrInvalidName,
			fmt.Sprintf("names that begin with %q are entries of the file descriptor store, not sockets", fdname.ReservedPrefix),
			"choose another FileDescriptorName=")
	}
	if s.asked == nil {
		s.asked = make(map[string]bool)
	}
	s.asked[r.wanted] = true

	var found []Entry
	for _, e := range s.entries {
		if e.Name == r.wanted {
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return nil, s.missing(r)
	case len(found) > 1 && !r.many:
		return nil, duplicated(r, found)
	}
	return found, nil
}

// check inspects one descriptor and runs the caller's checks.
func (r request) check(fd int) (fdKind, error) {
	info, err := inspect(fd)
	if err != nil {
		return kindOther, r.error(err, fmt.Sprintf("fd %d: %v", fd, err), "")
	}
	if info.kind().getter() != r.getter {
		return kindOther, wrongType(r, fd, info)
	}
	for _, check := range r.checks {
		if err := runCheck(r, fd, check); err != nil {
			return kindOther, err
		}
	}
	return info.kind(), nil
}
