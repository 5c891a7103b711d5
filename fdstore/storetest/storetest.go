// Package storetest gives the tests of a Keeper a store, without systemd: the store of one
// service, which stays while its processes come and go.
package storetest

import (
	"testing"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/notify"
)

// Service stands in for a service under systemd.
type Service struct {
	t       testing.TB
	manager *storetest.Manager
	end     func() // of the present process
}

// New returns a service whose store is empty and has room for max entries, as
// FileDescriptorStoreMax= says. It ends with the test.
func New(t testing.TB, max int) *Service {
	t.Helper()
	s := &Service{t: t, manager: storetest.Start(t, max), end: func() {}}
	t.Cleanup(func() { s.end() })
	return s
}

// Process starts another process of the service, in place of the one before, if there is
// one. It returns the store of the Keeper of that name as the process has it. A store
// that an earlier process has can no longer be changed, and its journals and bundles are
// closed: unwritten records have died with it.
func (s *Service) Process(keeper string) *fdstore.Store {
	s.t.Helper()
	s.end()
	var entries []activation.Entry
	for _, e := range s.manager.Pass() {
		entries = append(entries, activation.Entry{Name: e.Name, FD: e.FD})
	}
	notifier, err := notify.Dial(s.manager.Address())
	if err != nil {
		s.t.Fatalf("storetest: %v", err)
	}
	whole, err := sdstore.Open(sdstore.Config{Entries: entries, Notifier: notifier, Max: s.manager.Max()})
	if err != nil {
		s.t.Fatalf("storetest: %v", err)
	}
	s.end = func() {
		whole.Close()
		notifier.Close()
	}
	return (*fdstore.Store)(whole.Share(keeper))
}

// Entries returns the names that systemd knows the entries by, in the order they were stored.
func (s *Service) Entries() []string { return s.manager.Names() }
