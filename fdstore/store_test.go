package fdstore

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/internal/testkit"
)

// soon is a context that ends before long, for calls that must time out.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestPutGetRemove(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 4)
	s := nextGeneration(t, m)
	one, two := identify(t, 1), identify(t, 2)
	defer unix.Close(one)
	defer unix.Close(two)
	if err := s.Put(background(), "x", one); err != nil {
		t.Fatal(err)
	}
	if err := s.PutNoPoll(background(), "y", one); err == nil || !strings.Contains(err.Error(), "instar.fd.x.1") {
		t.Errorf("put the same file: %v", err)
	}
	if err := s.Put(background(), "x", one); err != nil {
		t.Errorf("replace by the same file: %v", err)
	}
	if err := s.PutNoPoll(background(), "y", two); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.fd.x.1", "instar.fd.y.1"}) {
		t.Errorf("the store has %q", got)
	}
	if !m.Polled("instar.fd.x.1") || m.Polled("instar.fd.y.1") {
		t.Error("FDPOLL= is wrong")
	}
	three := identify(t, 3)
	defer unix.Close(three)
	if err := s.PutNoPoll(background(), "y", three); err != nil {
		t.Fatal(err)
	}

	s = nextGeneration(t, m)
	if used, max := s.whole.Used(); used != 2 || max != 4 {
		t.Errorf("used %d of %d", used, max)
	}
	f, err := s.File("y")
	if err != nil {
		t.Fatal(err)
	}
	if got := identity(t, int(f.Fd())); got != 3 {
		t.Errorf("y is file %d", got)
	}
	f.Close()
	if left := s.Leftovers(); !slices.Equal(left, []string{"x"}) {
		t.Errorf("leftovers %v", left)
	}
	if f, err = s.File("x"); err != nil {
		t.Fatal(err)
	}
	if got := identity(t, int(f.Fd())); got != 1 {
		t.Errorf("x is file %d", got)
	}
	f.Close()
	if err := s.Remove(background(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(background(), "y"); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); len(got) != 0 || len(m.Dropped()) != 0 || len(s.whole.List()) != 0 {
		t.Errorf("the store has %q, dropped %q", got, m.Dropped())
	}
	if _, err := s.File("x"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.Remove(background(), "x"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	// A number is not used twice, whatever systemd has not read yet.
	if err := s.Put(background(), "x", one); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.fd.x.2"}) {
		t.Errorf("the store has %q", got)
	}
}

func TestPutErrors(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 1)
	fd := file(t)
	s := nextGeneration(t, m, "http")
	for _, c := range []struct {
		name string
		want error
		say  string
	}{
		{"", ErrInvalidName, "empty"},
		{"a:b", ErrInvalidName, "':'"},
		{"a\nb", ErrInvalidName, "ASCII"},
		{"é", ErrInvalidName, "ASCII"},
		{strings.Repeat("x", 201), ErrInvalidName, "200"},
		{"a/b", ErrInvalidName, "'/'"},
		{"http", ErrInvalidName, "FileDescriptorName=http"},
	} {
		err := s.Put(background(), c.name, fd)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %v", c.name, err)
		}
	}
	if err := s.Put(background(), "one", fd); err != nil {
		t.Fatal(err)
	}
	err := s.Put(background(), "two", file(t))
	if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "1 of 1 entries") || !strings.Contains(err.Error(), "FileDescriptorStoreMax=") {
		t.Errorf("full: %v", err)
	}
	if err := s.Put(background(), "one", file(t)); !errors.Is(err, ErrFull) {
		t.Errorf("replace in a full store: %v", err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.fd.one.1"}) || len(m.Dropped()) != 0 {
		t.Errorf("the store has %q, dropped %q", got, m.Dropped())
	}
	s.whole.Stop()
	if err := s.Put(background(), "two", fd); !errors.Is(err, ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
	if err := s.Remove(background(), "one"); !errors.Is(err, ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
	s.whole.Resume()
	if err := s.Remove(background(), "one"); err != nil {
		t.Errorf("resumed: %v", err)
	}
	if err := s.Put(background(), "bad", 1<<20); err == nil {
		t.Error("a descriptor that is not open was put")
	}
}

func TestNoStore(t *testing.T) {
	fd := file(t)
	m := storetest.Start(t, 0)
	for _, s := range []*Store{nextGeneration(t, m).Store, (*Store)(must(sdstore.Open(sdstore.Config{Max: 5})).Share(""))} {
		_, journal := s.Journal(background(), "x", JournalConfig{})
		_, bundle := s.Bundle(background(), "x")
		for what, err := range map[string]error{
			"put":     s.Put(background(), "x", fd),
			"save":    Save(background(), s, "x", 0, 1),
			"journal": journal,
			"bundle":  bundle,
		} {
			if !errors.Is(err, ErrNoStore) || !strings.Contains(err.Error(), "FileDescriptorStoreMax=") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := s.Blob("x", 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("blob: %v", err)
		}
	}
	if _, err := sdstore.Open(sdstore.Config{Max: -1}); err == nil {
		t.Error("Max -1 was accepted")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An unconfirmed change is taken back.
func TestUnconfirmed(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 9)
	s := nextGeneration(t, m)
	if err := Save(background(), s.Store, "v", 0, "old"); err != nil {
		t.Fatal(err)
	}
	m.HoldBarriers()
	if err := s.Put(soon(t), "x", file(t)); !errors.Is(err, ErrUnconfirmed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := Save(soon(t), s.Store, "v", 0, "new"); !errors.Is(err, ErrUnconfirmed) {
		t.Fatal(err)
	}
	m.ReleaseBarriers()
	if err := s.Put(background(), "y", file(t)); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.blob.v.1", "instar.fd.y.1"}) {
		t.Errorf("the store has %q", got)
	}
	if v, _, err := Load[string](s.Store, "v", 0); v != "old" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func TestSaveLoad(t *testing.T) {
	testkit.CheckLeaks(t)
	type state struct{ Users []string }
	m := storetest.Start(t, 2)
	s := nextGeneration(t, m)
	if _, _, err := Load[state](s.Store, "users", 3); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	for _, users := range [][]string{{"ada"}, {"ada", "grace"}} {
		if err := Save(background(), s.Store, "users", 3, state{users}); err != nil {
			t.Fatal(err)
		}
	}
	s = nextGeneration(t, m)
	v, schema, err := Load[state](s.Store, "users", 4)
	if err != nil || schema != 3 || !slices.Equal(v.Users, []string{"ada", "grace"}) {
		t.Errorf("%v, schema %d, %v", v, schema, err)
	}
	if _, _, err := Load[state](s.Store, "users", 2); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
	if _, _, err := Load[int](s.Store, "users", 3); err == nil || !strings.Contains(err.Error(), `"users"`) {
		t.Errorf("loaded as int: %v", err)
	}
	if err := Save(background(), s.Store, "users", 3, func() {}); err == nil {
		t.Error("a function was saved")
	}
	broken := errors.New("broken")
	err = s.WriteBlob(background(), "users", 3, func(w io.Writer) error { w.Write([]byte("ha")); return broken })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	if v, _, err := Load[state](s.Store, "users", 3); err != nil || len(v.Users) != 2 {
		t.Errorf("after a failed write: %v, %v", v, err)
	}
}

// Both are in the store, as after a death between storing and removing.
func TestSuperseded(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 5)
	for number, value := range map[string]string{"9": `"old"`, "10": `"new"`} {
		fd := writeBlob(t, value)
		m.Insert("instar.blob.v."+number, fd)
		unix.Close(fd)
	}
	s := nextGeneration(t, m)
	if v, _, err := Load[string](s.Store, "v", 0); v != "new" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if len(m.Names()) != 2 {
		t.Error("reading has removed something")
	}
	if err := s.whole.Tidy(background()); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.blob.v.10"}) {
		t.Errorf("the store has %q", got)
	}
	if err := Save(background(), s.Store, "v", 0, "newest"); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.blob.v.11"}) {
		t.Errorf("the store has %q", got)
	}
}

func TestLeftovers(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 5)
	for _, name := range []string{"instar.crystal.x.1", "instar.nonsense", "instar.blob.old.3", "instar.blob.other/old.1", "instar.blob.known.1"} {
		fd := writeBlob(t, "1")
		m.Insert(name, fd)
		unix.Close(fd)
	}
	s := nextGeneration(t, m)
	if _, _, err := Load[int](s.Store, "known", 0); err != nil {
		t.Fatal(err)
	}
	want := []string{"instar.crystal.x.1", "instar.nonsense", "instar.blob.old.3", "instar.blob.other/old.1"}
	var got []string
	for _, left := range s.whole.Leftovers() {
		got = append(got, left.FDName)
	}
	if !slices.Equal(got, want) {
		t.Errorf("leftovers %v", got)
	}
	if left := s.Leftovers(); !slices.Equal(left, []string{"old"}) {
		t.Errorf("the Keeper's leftovers %v", left)
	}
	if used, _ := s.whole.Used(); used != 5 {
		t.Errorf("used %d", used)
	}
	if err := s.whole.Discard(background(), "instar.nonsense", "instar.blob.known.1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("discard what is known: %v", err)
	}
	if err := s.whole.Discard(background(), "instar.nonsense", "instar.crystal.x.1", "instar.blob.other/old.1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(background(), "old"); err != nil {
		t.Fatal(err)
	}
	if got := m.Names(); !slices.Equal(got, []string{"instar.blob.known.1"}) || len(s.whole.Leftovers()) != 0 {
		t.Errorf("the store has %q", got)
	}
}

// In an upgrade the successor gets the entries from the predecessor, not from systemd.
func TestHandover(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 5)
	predecessor := nextGeneration(t, m)
	if err := Save(background(), predecessor.Store, "v", 0, 42); err != nil {
		t.Fatal(err)
	}
	predecessor.whole.Stop()
	var entries []activation.Entry
	for _, e := range predecessor.whole.Entries() {
		e.FD = must(sdstore.Duplicate(e.FD))
		entries = append(entries, e)
	}
	set := must(activation.New(entries))
	defer set.Close()
	successor := must(sdstore.Open(sdstore.Config{Entries: set.Claim(sdstore.Reserved), Max: m.Max()}))
	defer successor.Close()
	if v, _, err := Load[int]((*Store)(successor.Share("")), "v", 0); v != 42 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestThousandRounds(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 8)
	s := nextGeneration(t, m)
	for i := range 1000 {
		fd := identify(t, i)
		if err := s.Put(background(), "fd", fd); err != nil {
			t.Fatal(i, err)
		}
		unix.Close(fd)
		if err := Save(background(), s.Store, "blob", 0, i); err != nil {
			t.Fatal(i, err)
		}
		if i%10 == 0 {
			before := s
			s = nextGeneration(t, m)
			before.whole.Close()
		}
		f, err := s.File("fd")
		if err != nil {
			t.Fatal(i, err)
		}
		if err := s.Remove(background(), "fd"); err != nil {
			t.Fatal(i, err)
		}
		if got := identity(t, int(f.Fd())); got != i {
			t.Fatalf("round %d got file %d", i, got)
		}
		f.Close()
		if i%3 == 0 {
			if err := s.Remove(background(), "blob"); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	if dropped := m.Dropped(); len(dropped) != 0 {
		t.Errorf("dropped %q", dropped)
	}
}
