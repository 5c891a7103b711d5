package fdstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/sdstore"
)

// Item is a descriptor in a bundle. The label is the application's: a peer's address,
// a nickname, whatever it needs to carry on.
type Item struct {
	ID    ID
	FD    int
	Label []byte // up to MaxLabel bytes
}

// Bundle keeps thousands of descriptors in a few entries of the store: see
// [Store.Bundle]. Adding one is a sendmsg(2) and removing one a write(2), which systemd
// does not see.
// Its methods may be called from several goroutines at once.
//
// A descriptor in a bundle stays open even if every process closes it: the other end of a
// connection sees no end. And a removed descriptor is let go only when the queue is compacted.
// So end a connection with [Bundle.End], which shuts it down.
//
// One process writes to a bundle at a time: in an upgrade the predecessor has parked
// before the successor opens it.
type Bundle struct {
	name string

	gauge *sdstore.Gauge // shows slots to the other bundles

	// grow makes another queue and stores it.
	grow    func() (*queue, error)
	release func() // tells the store that the bundle is closed

	mu         sync.Mutex
	index      *index
	notes      *notes   // takes removals and labels
	young      *queue   // takes single adds as they come
	packed     []*queue // take messages of up to maxAdds descriptors
	limit      int      // how many descriptors may be in flight
	recovering int      // iterators under way: messages must not move
	removed    int      // since the last cleaning
	unsettled  bool     // the young queue could not be packed; wait until it must be

	// Buffers of the change being made, kept for the next.
	body     []byte
	datagram []byte
	op       [1]op
	ops      []op
	carrier  carrier
	lending  lending
	fd       [1]int
	err      error // why there can be no changes
}

// openBundle takes ownership of the parts, on error too.
func openBundle(name string, p parts, gauge *sdstore.Gauge, grow func() (*queue, error)) (*Bundle, error) {
	b := &Bundle{name: name, gauge: gauge, grow: grow, index: newIndex(), notes: p.notes, young: p.queues[0], packed: p.queues[1:], limit: inFlightLimit()}
	b.lending.add = func(fd uintptr) {
		b.lending.id, b.lending.err = b.add(int(fd), b.lending.raw, b.lending.label)
	}
	if err := b.load(); err != nil {
		b.closeParts()
		return nil, err
	}
	return b, nil
}

// load reads the log into the index. It takes nothing out of the queues, nor of the notes.
func (b *Bundle) load() error {
	type logged struct {
		queued
		queue *queue // nil: a note
		ops   []op
	}
	var log []logged
	for i, q := range b.queues() {
		err := q.scan(func(m queued, ops []op) { log = append(log, logged{m, q, ops}) })
		if err != nil {
			return fmt.Errorf("queue %d: %w", i+1, err)
		}
	}
	if err := b.notes.scan(func(m queued, ops []op) { log = append(log, logged{m, nil, ops}) }); err != nil {
		return fmt.Errorf("notes: %w", err)
	}
	// Stable: within a queue the order is that of the queue, which seq agrees with.
	slices.SortStableFunc(log, func(a, b logged) int { return cmp.Compare(a.seq, b.seq) })
	for _, l := range log {
		l.marks = b.index.apply(l.queue, l.seq, l.ops)
		if l.queue == nil {
			b.notes.mirror(l.queued)
		} else {
			l.queue.mirror(l.queued)
		}
	}
	b.gauge.Set(b.slots())
	return nil
}

func (b *Bundle) queues() []*queue { return append([]*queue{b.young}, b.packed...) }

func (b *Bundle) closeParts() {
	b.notes.close()
	for _, q := range b.queues() {
		q.close()
	}
	for e := range b.index.entries.all() {
		e.letGo()
	}
}

// Len is how many descriptors are in the bundle.
func (b *Bundle) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.index.live
}

// Add puts a descriptor, borrowed, into the bundle. When it returns nil, no death of
// any process loses it. On an error nothing was added: errInFlight, [ErrFull] if
// another queue is needed, [ErrLabelTooLong], [ErrStopped], or EMFILE.
func (b *Bundle) Add(fd int, label []byte) (ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(fd, nil, label)
}

// AddConn is [Bundle.Add] for a net.Conn or an os.File, and cheaper: as long as it is
// in the bundle, conn is borrowed, and lends its descriptor when that has to be sent again.
// The caller may close conn at any time, as ever.
func (b *Bundle) AddConn(conn syscall.Conn, label []byte) (id ID, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("fdstore: add to bundle %q: %w", b.name, err)
	}
	var closed error
	if lends(conn) {
		id, err, closed = b.addLent(raw, label)
	} else {
		closed = raw.Control(func(fd uintptr) { id, err = b.Add(int(fd), label) })
	}
	if closed != nil {
		return 0, fmt.Errorf("fdstore: add to bundle %q: %w", b.name, closed)
	}
	return id, err
}

// addLent locks the bundle before the connection is asked for its descriptor, so that
// the descriptor finds the rest of the call already there, in lending.
func (b *Bundle) addLent(raw syscall.RawConn, label []byte) (id ID, err, closed error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &b.lending
	l.raw, l.label = raw, label
	closed = raw.Control(l.add)
	id, err = l.id, l.err
	*l = lending{add: l.add}
	return id, err, closed
}

// lending is an AddConn under way.
type lending struct {
	raw   syscall.RawConn
	label []byte
	id    ID
	err   error
	add   func(fd uintptr)
}

// add adds fd, which is conn's if conn is not nil. b.mu is held.
func (b *Bundle) add(fd int, conn syscall.RawConn, label []byte) (ID, error) {
	id, err := b.tryAdd(fd, conn, label)
	if err != nil {
		return 0, fmt.Errorf("fdstore: add descriptor %d to bundle %q: %w", fd, b.name, err)
	}
	b.settle()
	return id, nil
}

func (b *Bundle) tryAdd(fd int, conn syscall.RawConn, label []byte) (ID, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(label) > MaxLabel {
		return 0, fmt.Errorf("%w: %d bytes of at most %d", errLabelTooLong, len(label), MaxLabel)
	}
	if err := b.reserve(1); err != nil {
		return 0, err
	}
	own := entry{fd: -1, conn: conn}
	if conn == nil {
		// A duplicate, until it is packed: the caller may close fd at any time.
		var err error
		if fd, err = sdstore.Duplicate(fd); err != nil {
			return 0, err
		}
		own.fd = fd
	}
	id := b.index.lastID + 1
	b.op[0], b.fd[0] = op{kind: opAdd, id: id, label: label}, fd
	if err := b.logAdd(b.op[:], b.fd[:]); err != nil {
		own.letGo()
		return 0, err
	}
	e := b.young.messages[len(b.young.messages)-1].marks[0].entry
	e.fd, e.conn = own.fd, own.conn
	return id, nil
}

// AddBatch puts many descriptors, borrowed, into the bundle, in messages of up to 252:
// much cheaper than one by one. It ignores the items' IDs and returns the new ones, in
// order; on an error, those of the items that were added.
func (b *Bundle) AddBatch(items []Item) ([]ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []ID
	err := b.err
	for i := 0; i < len(items) && err == nil; i++ {
		if n := len(items[i].Label); n > MaxLabel {
			err = fmt.Errorf("item %d: %w: %d bytes of at most %d", i, errLabelTooLong, n, MaxLabel)
		}
	}
	for rest := items; len(rest) > 0 && err == nil; {
		chunk := rest[:min(len(rest), maxAdds)]
		rest = rest[len(chunk):]
		ops, fds := make([]op, len(chunk)), make([]int, len(chunk))
		for i, item := range chunk {
			ops[i], fds[i] = op{kind: opAdd, id: b.index.lastID + 1 + ID(i), label: item.Label}, item.FD
		}
		if err = b.reserve(len(chunk)); err == nil {
			err = b.pack(ops, fds)
		}
		if err == nil {
			for _, o := range ops {
				ids = append(ids, o.id)
			}
		}
	}
	if err != nil {
		return ids, fmt.Errorf("fdstore: add %d descriptors to bundle %q, %d added: %w", len(items), b.name, len(ids), err)
	}
	return ids, nil
}

// Remove takes descriptors out of the bundle: all of them, or on an error none.
// [ErrNotFound] if one is not in it. The connections go on; see [Bundle.End].
func (b *Bundle) Remove(ids ...ID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.remove(ids); err != nil {
		return fmt.Errorf("fdstore: remove %d from bundle %q: %w", ids, b.name, err)
	}
	return nil
}

func (b *Bundle) remove(ids []ID) error {
	if b.err != nil || len(ids) == 0 {
		return b.err
	}
	ops := b.op[:]
	if len(ids) > 1 {
		ops = make([]op, len(ids))
	}
	for i, id := range ids {
		e, ok := b.index.get(id)
		if !ok {
			return fmt.Errorf("%w: %d", ErrNotFound, id)
		}
		ops[i] = op{kind: opRemove, id: id, entry: e}
	}
	if err := b.note(ops); err != nil {
		return err
	}
	for i := range ops {
		ops[i].entry.letGo()
		ops[i].entry = nil
	}
	b.removed += len(ids)
	b.settle()
	return nil
}

// End shuts a connection down and takes it out of the bundle. fd is borrowed, and
// the caller's to close: that alone would not end the connection, which the bundle
// holds open until it is compacted.
func (b *Bundle) End(id ID, fd int) error {
	// First: a death in between leaves a connection that has ended, and a read will
	// show it. The other way round no process would look after it again.
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil && !errors.Is(err, unix.ENOTCONN) {
		return fmt.Errorf("fdstore: end %d in bundle %q: shut down descriptor %d: %w", id, b.name, fd, err)
	}
	return b.Remove(id)
}

// EndConn is [Bundle.End] for a net.Conn.
func (b *Bundle) EndConn(id ID, conn syscall.Conn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("fdstore: end %d in bundle %q: %w", id, b.name, err)
	}
	if failed := raw.Control(func(fd uintptr) { err = b.End(id, int(fd)) }); failed != nil {
		return fmt.Errorf("fdstore: end %d in bundle %q: %w", id, b.name, failed)
	}
	return err
}

// Update gives a descriptor another label. [ErrNotFound] if it is not in the bundle.
func (b *Bundle) Update(id ID, label []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.err
	if err == nil {
		if _, ok := b.index.get(id); !ok {
			err = ErrNotFound
		} else if len(label) > MaxLabel {
			err = fmt.Errorf("%w: %d bytes of at most %d", errLabelTooLong, len(label), MaxLabel)
		} else {
			b.op[0] = op{kind: opLabel, id: id, label: label}
			err = b.note(b.op[:])
		}
	}
	if err != nil {
		return fmt.Errorf("fdstore: update %d in bundle %q: %w", id, b.name, err)
	}
	b.settle()
	return nil
}

// Recover yields the contents of the bundle, in no particular order. Each Item's FD is a
// duplicate of the caller's own, which it closes; its Label likewise. Nothing is taken
// out, so a death or an early return loses nothing. An error is the last thing
// yielded.
//
// The bundle can be changed meanwhile; descriptors added then are not yielded.
func (b *Bundle) Recover() iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := b.startRecovery()
		defer r.end()
		for {
			items, err := r.next()
			for i, item := range items {
				if !yield(item, nil) {
					for _, left := range items[i+1:] {
						unix.Close(left.FD)
					}
					return
				}
			}
			if err != nil {
				yield(Item{}, fmt.Errorf("fdstore: recover from bundle %q: %w", b.name, err))
				return
			}
			if items == nil {
				return
			}
		}
	}
}

// Close ends this process's use of the bundle, which stays in the store.
func (b *Bundle) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, errBundleClosed) {
		return nil
	}
	b.err = fmt.Errorf("%w: %w", errBundleClosed, ErrStopped)
	if b.release != nil {
		b.release()
	}
	b.closeParts()
	return nil
}

var errBundleClosed = errors.New("bundle is closed")

// Bundle opens the bundle of that name, or makes and stores an empty one: three
// entries, and another when those are full, at about 70,000 descriptors each. Opening
// takes nothing out of it. Its errors are those of [Store.Put], [ErrCorrupt] and [ErrNewer].
func (s *Store) Bundle(ctx context.Context, name string) (*Bundle, error) {
	var b *Bundle
	err := s.share().Use(sdstore.Bundle, name, func() { b.Close() }, func(put func(context.Context, ...int) error) error {
		p, err := s.bundleParts(ctx, name, put)
		if err == nil {
			b, err = openBundle(name, p, s.share().Gauge(name), func() (*queue, error) { return s.growBundle(name) })
		}
		if err != nil {
			return opError("open", sdstore.Bundle, name, err)
		}
		b.release = func() { s.share().Leave(sdstore.Bundle, name) }
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// bundleParts opens the stored parts of a bundle, and makes and stores the missing ones.
func (s *Store) bundleParts(ctx context.Context, name string, put func(context.Context, ...int) error) (p parts, err error) {
	if err = s.share().Parts(name, p.adopt); err == nil {
		err = p.check()
	}
	var fresh []int
	if err == nil {
		fresh, err = p.create()
	}
	if err == nil && len(fresh) > 0 {
		err = put(ctx, fresh...)
	}
	if err != nil {
		p.close()
	}
	return p, err
}

// growBundle makes and stores another queue.
func (s *Store) growBundle(name string) (*queue, error) {
	q, err := newQueue()
	if err != nil {
		return nil, err
	}
	if err := s.share().Add(context.Background(), name, q.fd); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}
