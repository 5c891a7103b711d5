package activation

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/fdname"
)

// Entry is one descriptor and its name.
type Entry struct {
	Name string // FileDescriptorName= or FDNAME=; several entries may share one
	FD   int
}

// Set owns the descriptors that a process was passed. [Take] or [New] makes one;
// its methods may be called from several goroutines at once.
type Set struct {
	absent  absence // why Take found nothing; zero if it found something
	handed  bool    // made by New: a missing descriptor is one that the predecessor did not have
	mu      sync.Mutex
	entries []Entry
	asked   map[string]bool // names a getter was called with
	closed  bool
}

// New makes a Set of descriptors that came another way than by the environment:
// those a predecessor handed over. It marks them close-on-exec.
//
// New takes ownership of every FD; on an error it has closed them all. An error
// names the entry whose name is not a valid FDNAME= or whose descriptor is not
// open, or that has the same descriptor as another.
func New(entries []Entry) (*Set, error) {
	s := &Set{handed: true, entries: slices.Clone(entries)}
	seen := make(map[int]bool)
	for _, e := range entries {
		problem := fdname.Problem(e.Name)
		if problem != "" {
			problem = "the name " + problem
		} else if seen[e.FD] {
			problem = fmt.Sprintf("another entry has fd %d as well", e.FD)
		}
		seen[e.FD] = true
		if problem != "" {
			s.closeOnce()
			return nil, fmt.Errorf("activation: new set: entry %q: %s", e.Name, problem)
		}
		if _, err := unix.FcntlInt(uintptr(e.FD), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			s.closeOnce()
			return nil, fmt.Errorf("activation: new set: entry %q, fd %d: %w", e.Name, e.FD, err)
		}
	}
	return s, nil
}

// closeOnce closes every descriptor of a Set that may name one of them twice.
func (s *Set) closeOnce() {
	closed := make(map[int]bool)
	for _, e := range s.entries {
		if !closed[e.FD] {
			unix.Close(e.FD)
		}
		closed[e.FD] = true
	}
}

// Entries returns the entries of the Set in the order of their arrival, those of
// the store included: a handover sends them on. The descriptors are borrowed: they
// are valid until they are claimed or the Set is closed, and the caller must not
// close them.
func (s *Set) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Names returns the names that getters can be asked for, each once, in the order
// they came in. Names with the prefix "instar." are left out; entries that the
// service itself has put into the store, under names of its own, are not.
func (s *Set) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names()
}

func (s *Set) names() []string {
	var names []string
	for _, e := range s.entries {
		if !reserved(e.Name) && !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

// Claim moves the entries whose name matches out of the Set, in order. They, and
// the duty to close them, are the caller's from then on. Match is called with the
// Set locked and must not call its methods. After Close there is nothing to claim.
func (s *Set) Claim(match func(name string) bool) []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var claimed, kept []Entry
	for _, e := range s.entries {
		if match(e.Name) {
			claimed = append(claimed, e)
		} else {
			kept = append(kept, e)
		}
	}
	s.entries = kept
	return claimed
}

// Close closes the descriptors that the Set still owns. It does not affect the
// results of getters. Closing a Set again does nothing.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, e := range s.entries {
		if err := unix.Close(e.FD); err != nil {
			errs = append(errs, fmt.Errorf("activation: close %q, fd %d: %w", e.Name, e.FD, err))
		}
	}
	s.entries, s.closed = nil, true
	return errors.Join(errs...)
}
