package fdstore

import (
	"slices"

	"golang.org/x/sys/unix"
)

// recovery is a walk through a bundle, a message at a time. The lock is free between
// two messages, and messages of the packed queues do not move meanwhile.
type recovery struct {
	bundle *Bundle
	todo   []place
	first  []Item // those of the young queue, which may move
	err    error
}

type place struct {
	queue *queue
	seq   uint64
}

func (b *Bundle) startRecovery() *recovery {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recovering++
	r := &recovery{bundle: b, err: b.err}
	if r.err != nil {
		return r
	}
	for i := range b.young.messages {
		items, err := b.items(b.young, i)
		if r.first = append(r.first, items...); err != nil {
			r.err = err
			break
		}
	}
	for _, q := range b.packed {
		for _, m := range q.messages {
			r.todo = append(r.todo, place{q, m.seq})
		}
	}
	return r
}

// next returns some items, or none and no error at the end. Items may come with an error.
func (r *recovery) next() ([]Item, error) {
	if items := r.first; len(items) > 0 || r.err != nil {
		r.first = nil
		return items, r.err
	}
	b := r.bundle
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(r.todo) > 0 {
		p := r.todo[0]
		r.todo = r.todo[1:]
		if b.err != nil {
			return nil, b.err
		}
		i, ok := slices.BinarySearchFunc(p.queue.messages, p.seq, func(m queued, seq uint64) int {
			return int(int64(m.seq - seq))
		})
		if !ok {
			return nil, errConsumed
		}
		if items, err := b.items(p.queue, i); len(items) > 0 || err != nil {
			return items, err
		}
	}
	return nil, nil
}

func (r *recovery) end() {
	r.bundle.mu.Lock()
	defer r.bundle.mu.Unlock()
	r.bundle.recovering--
	for _, item := range r.first {
		unix.Close(item.FD)
	}
}

// items reads the live items of message i of a queue.
func (b *Bundle) items(q *queue, i int) ([]Item, error) {
	m := q.messages[i]
	if !slices.ContainsFunc(m.marks, func(k mark) bool { return k.current(m.seq) }) {
		return nil, nil
	}
	fds, err := q.descriptors(i)
	if err != nil {
		return nil, err
	}
	var items []Item
	add := 0
	for _, k := range m.marks {
		if k.kind != opAdd {
			continue
		}
		if k.current(m.seq) {
			items = append(items, Item{k.entry.id, fds[add], slices.Clone(k.entry.label)})
		} else {
			unix.Close(fds[add])
		}
		add++
	}
	return items, nil
}
