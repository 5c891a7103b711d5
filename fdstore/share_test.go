package fdstore

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/internal/testkit"
)

// Two Keepers have the same names, and know nothing of each other.
func TestShares(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	g := nextGeneration(t, m)
	share := func(keeper string) *Store { return (*Store)(g.whole.Share(keeper)) }
	for i, keeper := range []string{"", "a", "b"} {
		s := share(keeper)
		if err := Save(t.Context(), s, "v", 1, i); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Journal(t.Context(), "log", JournalConfig{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bundle(t.Context(), "v"); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Names(); !slices.Contains(got, "instar.blob.v.1") || !slices.Contains(got, "instar.bundle.a/v.3") || !slices.Contains(got, "instar.journal.b/log.1") {
		t.Errorf("the store has %q", got)
	}
	if err := share("a").Remove(t.Context(), "v"); err == nil || !strings.Contains(err.Error(), "bundle is open") {
		t.Errorf("removed what is open: %v", err)
	}

	g = nextGeneration(t, m)
	for i, keeper := range []string{"", "a", "b"} {
		if v, _, err := Load[int](share(keeper), "v", 1); v != i || err != nil {
			t.Errorf("%q has %d, %v", keeper, v, err)
		}
	}
	if got := share("a").Leftovers(); !slices.Equal(got, []string{"log", "v"}) {
		t.Errorf("leftovers %q", got)
	}
	if err := share("a").Remove(t.Context(), "v"); err != nil {
		t.Fatal(err)
	}
	if _, err := share("a").Blob("v", 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	must(share("b").Blob("v", 1)).Close()
	if got := share("a").Leftovers(); !slices.Equal(got, []string{"log"}) {
		t.Errorf("leftovers %q", got)
	}
}

// How the last process ended is no Keeper's, whatever it is called.
func TestEnding(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 5)
	g := nextGeneration(t, m)
	if err := g.whole.SaveEnding(t.Context(), sdstore.Ending{Stopped: true}); err != nil {
		t.Fatal(err)
	}
	if err := Save(t.Context(), g.Store, "instar", 1, "mine"); !errors.Is(err, ErrInvalidName) {
		t.Errorf("saved over it: %v", err)
	}
	if err := g.Remove(t.Context(), "instar"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed it: %v", err)
	}
	if err := Save(t.Context(), (*Store)(g.whole.Share("a")), "instar", 1, "mine"); err != nil {
		t.Errorf("a Keeper with a name cannot: %v", err)
	}
	g = nextGeneration(t, m)
	if left := g.whole.Leftovers(); len(left) != 1 || left[0].Name.Keeper != "a" {
		t.Errorf("leftovers %v", left)
	}
	if e, err := g.whole.Ending(); !e.Stopped || err != nil {
		t.Errorf("%+v, %v", e, err)
	}
}

// A bundle that no Keeper has opened is in flight as well.
func TestGaugeOfLeftover(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 5)
	b := must(nextGeneration(t, m).Bundle(t.Context(), "old"))
	fd := file(t)
	for range 7 {
		must(b.Add(fd, nil))
	}
	g := nextGeneration(t, m)
	gauge := g.whole.Share("other").Gauge("new")
	if n := gauge.All(); n != 7 {
		t.Errorf("%d in flight", n)
	}
	must(g.Bundle(t.Context(), "old"))
	if n := gauge.All(); n != 7 {
		t.Errorf("%d in flight once it is open", n)
	}
	g.whole.Stop()
	g.whole.Resume()
	if err := g.Remove(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	if n := gauge.All(); n != 0 {
		t.Errorf("%d in flight when it is gone", n)
	}
}
