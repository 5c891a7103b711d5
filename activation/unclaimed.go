package activation

import (
	"errors"
	"fmt"
	"slices"
)

// Unclaimed returns those of [Set.Names] that no getter has been asked for yet.
// Clients connect to such a socket and are never answered.
func (s *Set) Unclaimed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.names(), func(name string) bool { return s.asked[name] })
}

// CheckUnclaimed returns nil if [Set.Unclaimed] is empty, and otherwise an error
// that joins one [*Error] with [ErrUnclaimed] for each such descriptor. Call it
// after the last getter, to refuse to start, or just to log it.
func (s *Set) CheckUnclaimed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, e := range s.entries {
		if !reserved(e.Name) && !s.asked[e.Name] {
			errs = append(errs, unclaimed(e))
		}
	}
	return errors.Join(errs...)
}

func unclaimed(e Entry) error {
	info, err := inspect(e.FD)
	if err != nil {
		return &Error{Op: "CheckUnclaimed", Name: e.Name, Err: err, Problem: fmt.Sprintf("fd %d: %v", e.FD, err)}
	}
	kind := info.kind()
	line := kind.directive()
	if line == "" {
		line = "it"
	}
	return &Error{
		Op: "CheckUnclaimed", Name: e.Name, found: kind, Err: ErrUnclaimed,
		Problem: fmt.Sprintf("fd %d, %s, was passed but never asked for", e.FD, info.describe()),
		Advice:  fmt.Sprintf("ask for it with %s(%q), or remove %s from %s", kind.getter().name, e.Name, line, socketUnit(e.Name)),
	}
}
