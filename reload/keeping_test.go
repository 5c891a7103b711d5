package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify"
)

// diary is what several Keepers have done, in order.
type diary struct{ lines []string }

// note returns what has been written since it was asked last.
func (d *diary) note() []string {
	lines := d.lines
	d.lines = nil
	return lines
}

// noting is a Keeper that writes down what it is asked for, and counts its parkings in the store.
type noting struct {
	name       string
	diary      *diary
	adoptFails error
	parkFails  error
	parkings   int
	found      int
	adoptHangs chan struct{}
}

func (k *noting) Adopt(ctx context.Context, store *fdstore.Store, from Origin) error {
	k.diary.lines = append(k.diary.lines, fmt.Sprintf("%s adopts from %v", k.name, from))
	if k.adoptHangs != nil {
		<-k.adoptHangs
	}
	if k.adoptFails != nil {
		return k.adoptFails
	}
	var err error
	k.found, _, err = fdstore.Load[int](store, "parkings", 1)
	if errors.Is(err, fdstore.ErrNotFound) {
		err = nil
	}
	return err
}

func (k *noting) Park(ctx context.Context, store *fdstore.Store) error {
	k.diary.lines = append(k.diary.lines, k.name+" parks")
	if k.parkFails != nil {
		return k.parkFails
	}
	k.parkings++
	return fdstore.Save(ctx, store, "parkings", 1, k.parkings)
}

// process is the keeping of one process, without a loop.
type process struct {
	*keeping
	t   *testing.T
	log *bytes.Buffer
}

func keepIn(t *testing.T, m *storetest.Manager, patience time.Duration) process {
	t.Helper()
	t.Setenv("FDSTORE", fmt.Sprint(m.Max()))
	var entries []activation.Entry
	for _, e := range m.Pass() {
		entries = append(entries, activation.Entry{Name: e.Name, FD: e.FD})
	}
	n, err := notify.Dial(m.Address())
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	k, err := openKeeping(slog.New(slog.NewTextHandler(log, nil)), patience, sdstore.Config{Entries: entries, Notifier: n})
	if err != nil {
		t.Fatal(err)
	}
	k.findOrigin()
	t.Cleanup(func() { k.close(); n.Close() })
	return process{k, t, log}
}

func (p process) keeps(keepers ...*noting) process {
	p.t.Helper()
	for _, k := range keepers {
		if err := p.add(k.name, k); err != nil {
			p.t.Fatal(err)
		}
	}
	return p
}

func (p process) adopts() error {
	done := make(chan error, 1)
	if !p.beginAdopt(func(err error) { done <- err }) {
		return nil
	}
	return <-done
}

func (p process) parks(last bool) error {
	done := make(chan error, 1)
	if !p.beginPark(last, func(err error) { done <- err }) {
		return nil
	}
	return <-done
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	if got := d.note(); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Keepers adopt in order and park in reverse, over every end that a process can have.
func TestKeepers(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	d := new(diary)
	three := func() []*noting {
		return []*noting{{name: "", diary: d}, {name: "b", diary: d}, {name: "c", diary: d}}
	}
	first := keepIn(t, m, time.Minute).keeps(three()...)
	if err := errors.Join(first.adopts(), first.parks(false), first.adopts(), first.parks(true)); err != nil {
		t.Fatal(err)
	}
	d.want(t, " adopts from first start", "b adopts from first start", "c adopts from first start",
		"c parks", "b parks", " parks",
		" adopts from take back", "b adopts from take back", "c adopts from take back",
		"c parks", "b parks", " parks")

	keepers := three()
	second := keepIn(t, m, time.Minute).keeps(keepers...)
	if err := second.adopts(); err != nil {
		t.Fatal(err)
	}
	d.want(t, " adopts from restart", "b adopts from restart", "c adopts from restart")
	for _, k := range keepers {
		if k.found != 2 {
			t.Errorf("%q finds %d", k.name, k.found)
		}
	}
	// And it dies as it is.
	third := keepIn(t, m, time.Minute).keeps(three()...)
	if err := errors.Join(third.adopts(), third.parks(false), third.parks(true)); err != nil {
		t.Fatal(err)
	}
	d.want(t, " adopts from crash", "b adopts from crash", "c adopts from crash", "c parks", "b parks", " parks")
	if log := third.log.String(); strings.Contains(log, "level=WARN") {
		t.Error(log)
	}
}

// Whoever has adopted before another fails parks, the last one first.
func TestAdoptFails(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	d := new(diary)
	failing := errors.New("no luck")
	p := keepIn(t, m, time.Minute).keeps(&noting{name: "a", diary: d}, &noting{name: "b", diary: d}, &noting{name: "c", diary: d, adoptFails: failing}, &noting{name: "d", diary: d})
	err := p.adopts()
	if !errors.Is(err, failing) || !strings.Contains(err.Error(), `the Keeper "c": adopting the state of a first start`) {
		t.Error(err)
	}
	d.want(t, "a adopts from first start", "b adopts from first start", "c adopts from first start", "b parks", "a parks")
	if got := m.Names(); !slices.Equal(got, []string{"instar.blob.b/parkings.1", "instar.blob.a/parkings.1"}) {
		t.Errorf("the store has %q", got)
	}
}

// If one fails to park the others do all the same, and all that did adopt again.
func TestParkFails(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	d := new(diary)
	full := errors.New("full")
	b := &noting{name: "b", diary: d, parkFails: full}
	p := keepIn(t, m, time.Minute).keeps(&noting{name: "a", diary: d}, b, &noting{name: "c", diary: d})
	if err := p.adopts(); err != nil {
		t.Fatal(err)
	}
	d.note()
	if err := p.parks(false); !errors.Is(err, full) || !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), `the Keeper "b"`) {
		t.Error(err)
	}
	d.want(t, "c parks", "b parks", "a parks")
	if err := p.adopts(); err != nil {
		t.Fatal(err)
	}
	d.want(t, "a adopts from take back", "b adopts from take back", "c adopts from take back")
	// The end of the service is not one that the next process can rely on.
	if err := p.parks(true); !errors.Is(err, full) {
		t.Error(err)
	}
	next := keepIn(t, m, time.Minute)
	if next.origin != FromCrash {
		t.Errorf("the next process adopts from a %v", next.origin)
	}
}

// A Keeper adopts again only if it has parked.
func TestTakeBackWhereParked(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	d := new(diary)
	a, b := &noting{name: "a", diary: d}, &noting{name: "b", diary: d}
	p := keepIn(t, m, time.Minute).keeps(a, b)
	if err := p.adopts(); err != nil {
		t.Fatal(err)
	}
	p.all()[1].holds = false // as if it alone had parked
	d.note()
	if err := p.adopts(); err != nil {
		t.Fatal(err)
	}
	d.want(t, "b adopts from take back")
}

// The one that hangs is named.
func TestKeeperHangs(t *testing.T) {
	m := storetest.Start(t, 20)
	d := new(diary)
	hangs := make(chan struct{})
	p := keepIn(t, m, 50*time.Millisecond).keeps(&noting{name: "a", diary: d}, &noting{name: "slow", diary: d, adoptHangs: hangs})
	err := p.adopts()
	var hung *hungError
	if !errors.As(err, &hung) || !strings.Contains(err.Error(), `Adopt of the Keeper "slow" does not return`) {
		t.Error(err)
	}
	if err := p.parks(true); !errors.As(err, &hung) || !strings.Contains(err.Error(), "the next Park cannot begin") {
		t.Error(err)
	}
	close(hangs)
	p.turn <- struct{}{} // all is over
}

// What was a Keeper's that this build does not have stays, and is said, with its name.
func TestLeftoversSaid(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 20)
	d := new(diary)
	before := keepIn(t, m, time.Minute).keeps(&noting{name: "gone", diary: d})
	if err := errors.Join(before.adopts(), before.parks(true)); err != nil {
		t.Fatal(err)
	}
	for _, now := range [][]*noting{{}, {{name: "other", diary: d}}} {
		p := keepIn(t, m, time.Minute).keeps(now...)
		if err := p.adopts(); err != nil {
			t.Fatal(err)
		}
		if log := p.log.String(); !strings.Contains(log, "name=instar.blob.gone/parkings.1 keeper=gone") {
			t.Errorf("not said: %s", log)
		}
		if !slices.Contains(m.Names(), "instar.blob.gone/parkings.1") {
			t.Error("it is lost")
		}
	}
}

func TestKeepErrors(t *testing.T) {
	m := storetest.Start(t, 1)
	p := keepIn(t, m, time.Minute)
	s := &Service{keeping: p.keeping}
	k := &noting{diary: new(diary)}
	if err := errors.Join(s.Keep("", k), s.Keep("tickets", k)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		keeper Keeper
		say    string
	}{
		{"tickets", k, `there is a Keeper "tickets" already`},
		{"", k, "already"},
		{"a/b", k, "'/'"},
		{strings.Repeat("n", 65), k, "64 bytes"},
		{"none", nil, "nil"},
	} {
		if err := s.Keep(c.name, c.keeper); err == nil || !strings.Contains(err.Error(), c.say) || !errors.Is(s.refusal, err) {
			t.Errorf("%q: %v, refused for %v", c.name, err, s.refusal)
		}
	}
	s.served.Store(true)
	if err := s.Keep("late", k); !errors.Is(err, ErrServed) || !strings.Contains(err.Error(), "before Serve") {
		t.Errorf("late: %v", err)
	}
	if n := len(p.all()); n != 2 {
		t.Errorf("%d Keepers", n)
	}
}
