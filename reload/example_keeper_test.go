package reload_test

import (
	"context"
	"sync"
	"testing"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/fdstore/storetest"
	"github.com/instar-project/instar/reload"
)

// visits counts, and loses none whatever becomes of the process.
type visits struct {
	mu      sync.Mutex
	count   int
	journal *fdstore.Journal
}

func (v *visits) Adopt(ctx context.Context, store *fdstore.Store, from reload.Origin) (err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.journal, err = store.Journal(ctx, "visits", fdstore.JournalConfig{Schema: 1})
	if err != nil {
		return err
	}
	v.count = 0
	for _, err := range v.journal.Records() {
		if err != nil {
			return err
		}
		v.count++
	}
	return nil
}

func (v *visits) Park(context.Context, *fdstore.Store) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.journal.Close()
}

func (v *visits) add() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.journal.Append(nil); err != nil {
		return err
	}
	v.count++
	return nil
}

func ExampleKeeper() {
	run := func(ctx context.Context, svc *reload.Service) error {
		v := new(visits)
		if err := svc.Keep("", v); err != nil {
			return err
		}
		return svc.Serve(ctx) // and servers that call v.add
	}
	_ = run
}

func TestExampleKeeper(t *testing.T) {
	service := storetest.New(t, 4)
	for n := range 3 {
		v := new(visits)
		if err := v.Adopt(t.Context(), service.Process(""), reload.FromCrash); err != nil {
			t.Fatal(err)
		}
		if err := v.add(); err != nil || v.count != n+1 {
			t.Errorf("%d visits, %v", v.count, err)
		}
	}
}
