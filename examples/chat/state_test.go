package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
)

// A state is the same whether it was lived through, or read from a snapshot, taken at
// any time, and the later records.
func TestStateFromSnapshot(t *testing.T) {
	lived, read := newState(), newState()
	for i := range 5000 {
		r := anyRecord(lived)
		lived.apply(r)
		read.apply(r)
		if i%97 == 0 {
			var snapshot bytes.Buffer
			if err := read.write(&snapshot); err != nil {
				t.Fatal(err)
			}
			var err error
			if read, err = readState(io.NewSectionReader(bytes.NewReader(snapshot.Bytes()), 0, int64(snapshot.Len()))); err != nil {
				t.Fatal(err)
			}
		}
		lived.forget()
		read.forget()
		if i%50 == 0 && !reflect.DeepEqual(views(lived), views(read)) {
			t.Fatalf("after %d records:\n%v\n%v", i, views(lived), views(read))
		}
	}
}

func anyRecord(s *state) record {
	r := record{Nick: fmt.Sprint("n", rand.N(8)), Room: fmt.Sprint("r", rand.N(3))}
	m := s.Members[r.Nick]
	switch k := rand.N(20); {
	case m == nil:
		r.Op = joined
	case k == 0:
		r.Op = left
	case k < 8:
		r.Op, r.N = read, m.Read+rand.N(s.Rooms[m.Room].Last-m.Read+1)
	default:
		r.Op, r.N, r.Text = said, m.Said+1, "text"
	}
	return r
}

// views are the unread lines of each member.
func views(s *state) map[string]string {
	all := make(map[string]string)
	for nick, m := range s.Members {
		first, lines := s.Rooms[m.Room].after(m.Read)
		all[nick] = fmt.Sprint(*m, first, lines)
	}
	return all
}

// A member that does not read for long misses the oldest lines, and only those.
func TestUnreadIsBounded(t *testing.T) {
	s := newState()
	s.apply(record{Op: joined, Nick: "ada", Room: "lobby"})
	for n := range uint64(maxUnread + 10) {
		s.apply(record{Op: said, Nick: "ada", N: n + 1, Text: fmt.Sprint(n + 1)})
	}
	first, lines := s.Rooms["lobby"].after(0)
	if first != 11 || len(lines) != maxUnread || lines[0].Text != "11" {
		t.Errorf("unread: %d lines from number %d", len(lines), first)
	}
	if first, lines := s.Rooms["lobby"].after(maxUnread + 9); first != maxUnread+10 || len(lines) != 1 {
		t.Errorf("the last one: %d lines from number %d", len(lines), first)
	}
	if _, lines := s.Rooms["lobby"].after(maxUnread + 10); len(lines) != 0 {
		t.Errorf("none: %v", lines)
	}
}

// Records about an absent member do nothing.
func TestApplyToNobody(t *testing.T) {
	s := newState()
	for _, op := range []op{said, read, left, "later"} {
		s.apply(record{Op: op, Nick: "ada", N: 1})
	}
	if len(s.Members)+len(s.Rooms) != 0 {
		t.Errorf("%+v", s)
	}
}
