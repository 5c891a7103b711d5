package fdstore

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// index is the outcome of a bundle's log, read to its end: the IDs that are in the bundle,
// and their labels.
//
// A bundle's log is spread over queues. The seq of the messages orders it, not
// their place: an op is true until a later one about the same ID says otherwise. So a
// message can be written again, later, in another queue, before it is taken out
// of the first, and a death in between leaves it twice, which means the same as once.
type index struct {
	entries table
	live    int
	lastID  ID
	lastSeq uint64
	marks   []mark // of a chunk, not used yet
}

type entry struct {
	id      ID
	label   []byte
	removed bool
	copies  int    // opAdds about it in the queues; a tombstone has to outlive them all
	going   int    // of the copies, those that a rewriting takes out: scratch of keep
	added   uint64 // seq of the newest opAdd
	labeled uint64 // seq of the newest op that gives it a label
	buried  uint64 // seq of the newest opRemove
	queue   *queue // with the newest opAdd

	// Descriptors of this process's own, for the next packing: see carry.go.
	fd   int             // a duplicate, while that is a single one in the young queue; or -1
	conn syscall.RawConn // borrowed, as long as it is in the bundle; or nil
}

// letGo ends the use of this process's own descriptors.
func (e *entry) letGo() {
	if e.fd >= 0 {
		unix.Close(e.fd)
	}
	e.fd, e.conn = -1, nil
}

// mark is the memory of an op in a queue. entry is nil if the op was about
// something that was out of the queues before, and so says nothing.
type mark struct {
	entry *entry
	kind  opKind
}

func newIndex() *index { return &index{entries: newTable()} }

// get returns the entry of an ID that is in the bundle.
func (x *index) get(id ID) (*entry, bool) {
	e := x.entries.get(id)
	return e, e != nil && !e.removed
}

// apply notes that a message is in a queue. Messages come in the order of their seq.
func (x *index) apply(q *queue, seq uint64, ops []op) []mark {
	x.lastSeq = max(x.lastSeq, seq)
	marks := x.newMarks(len(ops))
	for i, o := range ops {
		e := o.entry
		if e == nil && o.id <= x.lastID {
			e = x.entries.get(o.id)
		}
		x.lastID = max(x.lastID, o.id)
		if e == nil && o.kind == opAdd {
			e = &entry{id: o.id, fd: -1}
			x.entries.put(e)
			x.live++
		}
		marks[i] = mark{e, o.kind}
		if e != nil {
			x.applyTo(e, q, seq, o)
		}
	}
	return marks
}

func (x *index) applyTo(e *entry, q *queue, seq uint64, o op) {
	switch o.kind {
	case opAdd:
		e.copies++
		if e.removed {
			break // for good: a removed descriptor is never written again
		}
		if e.queue != nil {
			e.queue.live--
		}
		q.live++
		e.added, e.labeled, e.queue = seq, seq, q
		if o.entry == nil {
			e.label = slices.Clone(o.label)
		}
	case opLabel:
		e.labeled = seq
		e.label = slices.Clone(o.label)
	case opRemove:
		if !e.removed {
			e.queue.live--
			x.live--
		}
		e.removed = true
		e.buried = seq
		e.label = nil
	}
}

// newMarks returns n marks of a chunk, for most messages have but one.
func (x *index) newMarks(n int) []mark {
	const chunk = 256
	if len(x.marks) < n {
		x.marks = make([]mark, max(n, chunk))
	}
	marks := x.marks[:n:n]
	x.marks = x.marks[n:]
	return marks
}

// forget notes that messages were taken out of a queue.
func (x *index) forget(messages []queued) {
	for _, m := range messages {
		for _, k := range m.marks {
			if k.kind != opAdd {
				continue
			}
			if k.entry.copies--; k.entry.copies == 0 {
				x.entries.remove(k.entry)
			}
		}
	}
}

// current says that k, in the message of that seq, is the newest opAdd of a
// descriptor that is in the bundle.
func (k mark) current(seq uint64) bool {
	return k.kind == opAdd && !k.entry.removed && k.entry.added == seq
}

// keep appends to ops the facts that only the messages and the notes still hold, which have
// to be written again before those can go. A descriptor is written with its newest label.
func keep(ops []op, messages, notes []queued) []op {
	for _, said := range [][]queued{messages, notes} {
		for _, m := range said {
			for _, k := range m.marks {
				if k.entry != nil {
					k.entry.going = 0
				}
			}
		}
	}
	for _, m := range messages {
		for _, k := range m.marks {
			if k.kind != opAdd {
				continue
			}
			k.entry.going++
			if k.current(m.seq) {
				ops = append(ops, op{opAdd, k.entry.id, k.entry.label, k.entry})
			}
		}
	}
	for _, said := range [][]queued{messages, notes} {
		for _, m := range said {
			for _, k := range m.marks {
				// An op about nothing that stays is moot.
				if k.kind == opAdd || k.entry == nil || k.entry.going >= k.entry.copies {
					continue
				}
				switch e := k.entry; {
				case k.kind == opLabel && !e.removed && e.labeled == m.seq:
					ops = append(ops, op{kind: opLabel, id: e.id, label: e.label})
				case k.kind == opRemove && e.buried == m.seq:
					ops = append(ops, op{kind: opRemove, id: e.id})
				}
			}
		}
	}
	return ops
}

func countAdds(marks []mark) int {
	n := 0
	for _, k := range marks {
		if k.kind == opAdd {
			n++
		}
	}
	return n
}
