package fdstore

import "iter"

// table finds entries by their IDs. It is a map, but cheaper: IDs
// count up, so those that come together lie together, and the page of the newest
// needs no search.
type table struct {
	pages  map[ID]*page // by ID / pageSize
	newest *page
	number ID // of newest
}

// pageSize is a compromise: an entry that stays for long may be alone on its page.
const pageSize = 64

type page struct {
	entries [pageSize]*entry
	used    int
}

func newTable() table { return table{pages: make(map[ID]*page)} }

func (t *table) page(id ID) *page {
	if number := id / pageSize; t.newest == nil || number != t.number {
		return t.pages[number]
	}
	return t.newest
}

// get returns nil if there is none.
func (t *table) get(id ID) *entry {
	if p := t.page(id); p != nil {
		return p.entries[id%pageSize]
	}
	return nil
}

// put adds an entry whose ID has none.
func (t *table) put(e *entry) {
	p := t.page(e.id)
	if p == nil {
		p = new(page)
		number := e.id / pageSize
		t.pages[number] = p
		if t.newest == nil || number > t.number {
			if t.newest != nil && t.newest.used == 0 {
				delete(t.pages, t.number)
			}
			t.newest, t.number = p, number
		}
	}
	p.entries[e.id%pageSize] = e
	p.used++
}

// remove takes out an entry that is in the table.
func (t *table) remove(e *entry) {
	p := t.page(e.id)
	p.entries[e.id%pageSize] = nil
	if p.used--; p.used == 0 && p != t.newest {
		delete(t.pages, e.id/pageSize)
	}
}

func (t *table) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, p := range t.pages {
			for _, e := range p.entries {
				if e != nil && !yield(e) {
					return
				}
			}
		}
	}
}
