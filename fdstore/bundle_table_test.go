package fdstore

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// A table agrees with a map, whatever comes and goes, and keeps no page for nothing.
func TestTable(t *testing.T) {
	tab, want := newTable(), make(map[ID]*entry)
	next := ID(1)
	for range 20000 {
		switch n := rand.IntN(100); {
		case n < 50:
			e := &entry{id: next}
			if rand.IntN(20) == 0 && want[next/2] == nil && next > 2 {
				e.id = next / 2 // as they come when the log is read: not always in order
			} else {
				next += 1 + ID(rand.IntN(3)*rand.IntN(100))
			}
			tab.put(e)
			want[e.id] = e
		case len(want) > 0:
			ids := slices.Collect(maps.Keys(want))
			for _, id := range ids[:min(len(ids), 1+n/90)] {
				tab.remove(want[id])
				delete(want, id)
			}
		}
		if id := ID(rand.IntN(int(next + 100))); tab.get(id) != want[id] {
			t.Fatalf("%d is %v, want %v", id, tab.get(id), want[id])
		}
	}
	got := make(map[ID]*entry)
	for e := range tab.all() {
		got[e.id] = e
	}
	if !maps.Equal(got, want) {
		t.Errorf("the table has %d entries, want %d", len(got), len(want))
	}
	for e := range tab.all() {
		tab.remove(e)
	}
	if len(tab.pages) > 1 {
		t.Errorf("%d pages are left", len(tab.pages))
	}
}
