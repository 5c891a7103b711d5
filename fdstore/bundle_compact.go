package fdstore

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/memfile"
)

// How a bundle's queues are kept short, as a log-structured file system keeps its disk.
//
// Every add is one message in the young queue, which has room for 278, and every
// removal and new label a record in the notes. When the queue holds 252 messages, the sum of
// them and the notes goes to a packed queue, as one message, and both are
// emptied. A removed descriptor stays in its packed message; when as many are removed as
// are live, the oldest messages are written again at the queue's end, without it. So each
// add or remove pays for a fixed number of descriptors to be moved, however many there
// are: an add for its packing, a removal for its share of the cleaning. PID 1 has no part
// in it.
//
// The order is always: write again, then take out, and the notes last. See index.
//
// (To send the young queue itself into the packed one would spare the packing. But
// then the kernel's collector of sockets in flight, unix_gc, walks all of them whenever
// any process closes a Unix socket, up to Linux 6.8; and each descriptor would have to be
// peeked at one by one.)

const (
	// maxNotes is how many ops the notes take before they are packed for their own sake.
	maxNotes = 4 * maxAdds

	// cleanEvery is after how many removals there may be something to clean: more often
	// than a message fills, so that there is little to do at once.
	cleanEvery = maxAdds / 2

	// roundsAtOnce bounds how many messages are written again in one go, that is how long a
	// change may take at worst: 4 of 252 descriptors, a millisecond or so. Half of one
	// makes up for cleanEvery.
	roundsAtOnce = 4

	// deadMin is how many dead descriptors are not worth the trouble.
	deadMin = 2 * maxAdds
)

// logAdd writes an add to the young queue, and into the index.
func (b *Bundle) logAdd(ops []op, fds []int) error {
	err := b.write(b.young, ops, fds)
	if errors.Is(err, errQueueFull) {
		if err = b.flushFull(); err == nil {
			err = b.write(b.young, ops, fds)
		}
	}
	return err
}

// note writes ops that are no adds to the notes, and into the index.
func (b *Bundle) note(ops []op) error {
	seq := b.index.lastSeq + 1
	err := b.notes.write(seq, ops)
	if errors.Is(err, errJournalFull) {
		if err = b.flushFull(); err == nil {
			seq = b.index.lastSeq + 1
			err = b.notes.write(seq, ops)
		}
	}
	if err != nil {
		return err
	}
	b.notes.mirror(queued{seq: seq, marks: b.index.apply(nil, seq, ops)})
	return nil
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

// write sends one message and, if that went well, puts it into the index.
func (b *Bundle) write(q *queue, ops []op, fds []int) error {
	seq := b.index.lastSeq + 1
	body := b.body[:0]
	for _, o := range ops {
		body = appendOp(body, o)
	}
	b.body = body
	m := messageHead{seq: seq, adds: len(fds)}
	if len(body) > smallInline && q != b.young {
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
	b.gauge.Set(b.slots())
	return nil
}

// writeTable makes a sealed memfd of a body.
func writeTable(body []byte) (int, error) {
	w, err := memfile.NewWriter("bundle", tableSchema)
	if err != nil {
		return -1, err
	}
	w.Write(body)
	file, err := w.Blob()
	return int(file), err
}

// settle packs the contents of the young queue and of the notes. If that fails
// nothing is lost, and it is tried again when either is full. Then it cleans, if enough
// has been removed.
func (b *Bundle) settle() {
	if (b.young.ops >= maxAdds || b.notes.ops >= maxNotes) && !b.unsettled {
		b.unsettled = b.flush() != nil
	}
	if b.removed >= cleanEvery {
		b.removed -= cleanEvery
		b.clean()
	}
}

func (b *Bundle) flushFull() error {
	err := b.flush()
	if err == nil {
		b.unsettled = false
	}
	return err
}

// flush packs the contents of the young queue and of the notes.
func (b *Bundle) flush() error {
	for len(b.young.messages) > 0 || len(b.notes.records) > 0 {
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

// rewrite writes the facts that only the oldest messages of a queue still hold to the end of
// another, or of the same, as one message, and then takes them out. With the last
// message of the young queue the notes go, after it: they say which of its descriptors are not to come back.
func (b *Bundle) rewrite(from, to *queue) error {
	messages := b.oldest(from)
	var notes []queued
	last := from == b.young && len(messages) == len(from.messages)
	if last {
		notes = b.notes.records
	}
	b.ops = keep(b.ops[:0], messages, notes)
	if len(b.ops) > 0 {
		err := b.carrier.carry(from, messages, func(fds []int) error { return b.write(to, b.ops, fds) })
		clear(b.ops) // so that it keeps no entry alive
		if err != nil {
			return err
		}
		closeDuplicates(messages)
	}
	if last {
		// Notes of another process may be about these messages.
		if err := b.notes.journal.unchanged(); err != nil {
			return b.broken(err)
		}
	}
	b.index.forget(messages)
	if err := from.drop(len(messages)); err != nil {
		return b.broken(err)
	}
	b.gauge.Set(b.slots())
	if last {
		if err := b.notes.clear(); err != nil {
			return b.broken(err)
		}
	}
	return nil
}

// closeDuplicates closes those that were needed for the messages to be packed.
func closeDuplicates(messages []queued) {
	var fds []int
	for _, m := range messages {
		for _, k := range m.marks {
			if k.entry != nil && k.entry.fd >= 0 {
				fds = append(fds, k.entry.fd)
				k.entry.fd = -1
			}
		}
	}
	descriptor.CloseAll(fds)
}

// oldest returns messages that can be written again as one: as many as have up to
// maxAdds live descriptors, but one at least. They are the queue's own, until it drops them.
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
			return q.messages[:i:i]
		}
	}
	return q.messages
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
// is dead. A failure here is tried again the next time.
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
	// (errInFlight). Near the limit tidiness is worth more.
	tolerable = min(tolerable, max(b.ceiling()-b.index.live, 0)/2)
	return q.slots-q.live > tolerable || b.sparse(q) && q.crowded()
}

// broken notes that the queues no longer agree with the index: somebody else has
// changed them. Their contents may still be read by opening the bundle again.
func (b *Bundle) broken(err error) error {
	b.err = fmt.Errorf("it has to be opened again: %w", err)
	return b.err
}
