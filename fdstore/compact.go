package fdstore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// How a bundle's queues are kept short, as a log-structured file system keeps its disk.
//
// Every change is one message in the young queue, which has room for 278. When
// it holds 252 ops, what they amount to goes to a packed queue, as one message, and the young
// one is emptied. What is removed stays in its packed message; when there is as
// much of that as is live, the oldest messages are written again at the queue's end, without
// it. So each add or remove pays for a fixed number of descriptors to be moved,
// however many there are. PID 1 has no part in it.
//
// The order is always: write again, then take out. See index.

const (
	// roundsAtOnce bounds how many messages are written again in one go, that is how long a
	// change may take at worst: 4 of 252 descriptors, a millisecond or so.
	roundsAtOnce = 4

	// deadMin is how many dead descriptors are not worth the trouble.
	deadMin = 2 * maxAdds
)

// log writes ops to the young queue, and into the index, as one message.
func (b *Bundle) log(ops []op, fds []int) error {
	err := b.write(b.young, ops, fds)
	if errors.Is(err, errQueueFull) {
		if err := b.flush(); err != nil {
			return err
		}
		b.unsettled = false
		err = b.write(b.young, ops, fds)
	}
	return err
}

// pack writes ops to a packed queue, as one message.
func (b *Bundle) pack(ops []op, fds []int) error {
	q, err := b.roomy()
	if err != nil {
		return err
	}
	if err := b.write(q, ops, fds); err != nil {
		return err
	}
	b.clean()
	return nil
}

// write sends one message and, if that went well, notes what it says.
func (b *Bundle) write(q *queue, ops []op, fds []int) error {
	seq := b.index.lastSeq + 1
	body := b.body[:0]
	for _, o := range ops {
		body = appendOp(body, o)
	}
	b.body = body
	m := messageHead{seq: seq, adds: len(fds)}
	if len(body) > smallInline && (len(ops) > 1 || q != b.young) {
		table, err := writeTable(body)
		if err != nil {
			return err
		}
		defer unix.Close(table)
		m.table, body = true, nil
		fds = append([]int{table}, fds...)
	}
	datagram := appendMessage(b.datagram[:0], m, body)
	b.datagram = datagram
	if err := q.send(datagram, fds); err != nil {
		return err
	}
	q.mirror(queued{seq: seq, length: len(datagram), marks: b.index.apply(q, seq, ops)})
	return nil
}

// writeTable makes a sealed memfd of a body.
func writeTable(body []byte) (int, error) {
	w, err := NewBlobWriter("bundle", tableSchema)
	if err != nil {
		return -1, err
	}
	w.Write(body)
	return w.Seal()
}

// settle packs what has gathered in the young queue. If that fails nothing is lost,
// and it is tried again when the queue is full.
func (b *Bundle) settle() {
	if b.young.ops >= maxAdds && !b.unsettled {
		b.unsettled = b.flush() != nil
	}
}

// flush packs what is in the young queue.
func (b *Bundle) flush() error {
	for len(b.young.messages) > 0 {
		q, err := b.roomy()
		if err != nil {
			return err
		}
		if err := b.rewrite(b.young, q); err != nil {
			return err
		}
	}
	b.clean()
	return nil
}

// rewrite writes what the oldest messages of a queue alone still say to the end of
// another, or of the same, as one message, and then takes them out.
func (b *Bundle) rewrite(from, to *queue) error {
	messages := b.oldest(from)
	ops := keep(messages)
	if len(ops) > 0 {
		fds, opened, err := b.collect(from, messages)
		if err != nil {
			return err
		}
		err = b.write(to, ops, fds)
		closeAll(opened)
		if err != nil {
			return err
		}
		for _, m := range messages {
			for _, k := range m.marks {
				if k.entry != nil {
					b.letGo(k.entry)
				}
			}
		}
	}
	if err := from.drop(len(messages)); err != nil {
		return b.broken(err)
	}
	b.index.forget(messages)
	return nil
}

// oldest returns messages that can be written again as one: as many as have up to
// maxAdds live descriptors, but one at least.
func (b *Bundle) oldest(q *queue) []queued {
	adds, ops := 0, 0
	for i, m := range q.messages {
		for _, k := range m.marks {
			if k.current(m.seq) {
				adds++
			}
		}
		ops += len(m.marks)
		if i > 0 && (adds > maxAdds || ops > 16*maxAdds) {
			return append([]queued(nil), q.messages[:i]...)
		}
	}
	return append([]queued(nil), q.messages...)
}

// collect returns the descriptors of the opAdds that keep returns for the messages,
// in the same order; and those that had to be read for it, for the caller to close.
func (b *Bundle) collect(q *queue, messages []queued) (fds, opened []int, err error) {
	for i, m := range messages {
		var own []int // message i's, once they are needed
		add := -1
		for _, k := range m.marks {
			if k.kind == opAdd {
				add++
			}
			if !k.current(m.seq) {
				continue
			}
			if k.entry.fd >= 0 {
				fds = append(fds, k.entry.fd)
				continue
			}
			if own == nil {
				if own, err = q.descriptors(i); err != nil {
					closeAll(opened)
					return nil, nil, err
				}
				opened = append(opened, own...)
			}
			fds = append(fds, own[add])
		}
	}
	return fds, opened, nil
}

// roomy returns a packed queue that takes another message.
func (b *Bundle) roomy() (*queue, error) {
	for _, q := range b.packed {
		if q.room() {
			return q, nil
		}
	}
	for _, q := range b.packed {
		// Half empty messages: worth more than another queue.
		for rounds := len(q.messages); b.sparse(q) && rounds > 0 && b.recovering == 0; rounds-- {
			if err := b.rewrite(q, q); err != nil {
				return nil, err
			}
		}
		if q.room() {
			return q, nil
		}
	}
	q, err := b.grow()
	if err != nil {
		return nil, fmt.Errorf("all queues are full, and another one: %w", err)
	}
	b.packed = append(b.packed, q)
	return q, nil
}

// sparse says that the queue has more than twice the messages it needs.
func (b *Bundle) sparse(q *queue) bool { return len(q.messages) > 2*(q.live/maxAdds+1) }

// clean writes the oldest messages of the packed queues again if there is much that
// is dead. What fails here is tried again the next time.
func (b *Bundle) clean() {
	for _, q := range b.packed {
		for range roundsAtOnce {
			if b.recovering > 0 || b.err != nil || !b.wasteful(q) || b.rewrite(q, q) != nil {
				break
			}
		}
	}
}

// wasteful says that a queue should be cleaned.
func (b *Bundle) wasteful(q *queue) bool {
	tolerable := max(q.live, deadMin)
	// Dead descriptors count against LimitNOFILE= too, unless the process is privileged
	// (ErrInFlight). Near the limit tidiness is worth more.
	tolerable = min(tolerable, max(b.limit-b.index.live-2*maxFDs, 0)/2)
	return q.slots-q.live > tolerable || b.sparse(q) && q.crowded()
}

// broken notes that the queues are no longer what the index says: somebody else has
// changed them. What is in them may still be read by opening the bundle again.
func (b *Bundle) broken(err error) error {
	b.err = fmt.Errorf("it has to be opened again: %w", err)
	return b.err
}
