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
)

// Item is a descriptor in a bundle. The label is the application's: a peer's address,
// a nickname, whatever it needs to carry on.
type Item struct {
	ID    ID
	FD    int
	Label []byte // up to MaxLabel bytes
}

// Bundle keeps thousands of descriptors in a few entries of the store: see
// [Store.Bundle]. Adding one or removing one is a sendmsg(2) that systemd does not see.
// Its methods may be called from several goroutines at once.
//
// What is in a bundle stays open, whoever closes it: the other end of a connection
// sees no end of it. And a removed descriptor is let go only when the queue is compacted.
// So end a connection with [Bundle.End], which shuts it down.
//
// One process writes to a bundle at a time: in an upgrade the predecessor stops
// ([Store.Stop]) before the successor opens it.
type Bundle struct {
	name string

	// grow makes another queue and stores it.
	grow    func() (*queue, error)
	release func() // tells the store that the bundle is closed

	mu         sync.Mutex
	index      *index
	young      *queue   // takes single ops as they come
	packed     []*queue // take messages of up to maxAdds descriptors
	limit      int      // how many descriptors may be in flight
	recovering int      // iterators under way: messages must not move
	unsettled  bool     // the young queue could not be packed; wait until it must be

	// Buffers of the change being made, kept for the next.
	body     []byte
	datagram []byte
	op       [1]op
	fd       [1]int
	err      error // why there can be no changes
}

// openBundle takes ownership of the queues, on error too.
func openBundle(name string, queues []*queue, grow func() (*queue, error)) (*Bundle, error) {
	b := &Bundle{name: name, grow: grow, index: newIndex(), young: queues[0], packed: queues[1:], limit: inFlightLimit()}
	if err := b.load(); err != nil {
		b.closeQueues()
		return nil, err
	}
	return b, nil
}

// load reads the log into the index. It takes nothing out of the queues.
func (b *Bundle) load() error {
	type logged struct {
		queued
		queue *queue
		ops   []op
	}
	var log []logged
	for i, q := range b.queues() {
		err := q.scan(func(m queued, ops []op) { log = append(log, logged{m, q, ops}) })
		if err != nil {
			return fmt.Errorf("queue %d: %w", i+1, err)
		}
	}
	// Stable: within a queue the order is that of the queue, which seq agrees with.
	slices.SortStableFunc(log, func(a, b logged) int { return cmp.Compare(a.seq, b.seq) })
	for _, l := range log {
		l.marks = b.index.apply(l.queue, l.seq, l.ops)
		l.queue.mirror(l.queued)
	}
	return nil
}

func (b *Bundle) queues() []*queue { return append([]*queue{b.young}, b.packed...) }

func (b *Bundle) closeQueues() {
	for _, q := range b.queues() {
		q.close()
	}
	for _, e := range b.index.entries {
		b.letGo(e)
	}
}

// letGo closes the duplicate that an entry keeps.
func (b *Bundle) letGo(e *entry) {
	if e.fd >= 0 {
		unix.Close(e.fd)
		e.fd = -1
	}
}

// Len is how many descriptors are in the bundle.
func (b *Bundle) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.index.live
}

// Add puts a descriptor, borrowed, into the bundle. When it returns nil, no death of
// any process loses it. On an error nothing was added: [ErrInFlight], [ErrFull] if
// another queue is needed, [ErrLabelTooLong], [ErrStopped], or EMFILE.
func (b *Bundle) Add(fd int, label []byte) (ID, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.index.lastID + 1
	if err := b.add(id, fd, label); err != nil {
		return 0, fmt.Errorf("fdstore: add descriptor %d to bundle %q: %w", fd, b.name, err)
	}
	return id, nil
}

// AddConn is [Bundle.Add] for a net.Conn or an os.File.
func (b *Bundle) AddConn(conn syscall.Conn, label []byte) (id ID, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("fdstore: add to bundle %q: %w", b.name, err)
	}
	if failed := raw.Control(func(fd uintptr) { id, err = b.Add(int(fd), label) }); failed != nil {
		return 0, fmt.Errorf("fdstore: add to bundle %q: %w", b.name, failed)
	}
	return id, err
}

func (b *Bundle) add(id ID, fd int, label []byte) error {
	if b.err != nil {
		return b.err
	}
	if len(label) > MaxLabel {
		return fmt.Errorf("%w: %d bytes of at most %d", ErrLabelTooLong, len(label), MaxLabel)
	}
	if err := b.reserve(1); err != nil {
		return err
	}
	// A duplicate, until it is packed: the caller may close fd at any time.
	dup, err := duplicate(fd)
	if err != nil {
		return err
	}
	b.op[0], b.fd[0] = op{opAdd, id, label}, dup
	if err := b.log(b.op[:], b.fd[:]); err != nil {
		unix.Close(dup)
		return err
	}
	b.index.entries[id].fd = dup
	b.settle()
	return nil
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
			err = fmt.Errorf("item %d: %w: %d bytes of at most %d", i, ErrLabelTooLong, n, MaxLabel)
		}
	}
	for rest := items; len(rest) > 0 && err == nil; {
		chunk := rest[:min(len(rest), maxAdds)]
		rest = rest[len(chunk):]
		ops, fds := make([]op, len(chunk)), make([]int, len(chunk))
		for i, item := range chunk {
			ops[i], fds[i] = op{opAdd, b.index.lastID + 1 + ID(i), item.Label}, item.FD
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
		if _, ok := b.index.get(id); !ok {
			return fmt.Errorf("%w: %d", ErrNotFound, id)
		}
		ops[i] = op{kind: opRemove, id: id}
	}
	if err := b.log(ops, nil); err != nil {
		return err
	}
	for _, id := range ids {
		if e := b.index.entries[id]; e != nil {
			b.letGo(e)
		}
	}
	b.settle()
	return nil
}

// End shuts a connection down and takes it out of the bundle. fd is borrowed, and
// the caller's to close: that alone would not end the connection, which the bundle
// holds open until it is compacted.
func (b *Bundle) End(id ID, fd int) error {
	// First: a death in between leaves a connection that has ended, and a read will
	// show it. The other way round nobody would look after it again.
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
			err = fmt.Errorf("%w: %d bytes of at most %d", ErrLabelTooLong, len(label), MaxLabel)
		} else {
			b.op[0] = op{opLabel, id, label}
			err = b.log(b.op[:], nil)
		}
	}
	if err != nil {
		return fmt.Errorf("fdstore: update %d in bundle %q: %w", id, b.name, err)
	}
	b.settle()
	return nil
}

// Recover yields what is in the bundle, in no particular order. Each Item's FD is a
// duplicate of the caller's own, which it closes; its Label likewise. Nothing is taken
// out, so whoever dies meanwhile, or stops, loses nothing. An error is the last thing
// yielded.
//
// The bundle can be changed meanwhile; what is added then is not yielded.
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
	b.closeQueues()
	return nil
}

var errBundleClosed = errors.New("bundle is closed")

// Bundle opens the bundle of that name, or makes and stores an empty one: two
// entries, and another when those are full, at about 70,000 descriptors each. Opening
// takes nothing out of it. Its errors are those of [Store.Put], [ErrForeign], [ErrCorrupt]
// and [ErrNewerFormat].
//
// Bundle may be called before a takeover only if the predecessor has stopped.
func (s *Store) Bundle(ctx context.Context, name string) (*Bundle, error) {
	s.change.Lock() // held to the end, so that Stop finds the bundle in use or not begun
	defer s.change.Unlock()
	var b *Bundle
	if err := s.use(KindBundle, name, func() { b.Close() }); err != nil {
		return nil, opError("open", KindBundle, name, err)
	}
	queues, err := s.adoptQueues(name)
	if err == nil && len(queues) == 0 {
		queues, err = s.newQueues(ctx, name, 2)
	}
	if err == nil {
		b, err = openBundle(name, queues, func() (*queue, error) {
			ctx, cancel := context.WithTimeout(context.Background(), DefaultTimeout)
			defer cancel()
			s.change.Lock()
			defer s.change.Unlock()
			queues, err := s.newQueues(ctx, name, 1)
			if err != nil {
				return nil, err
			}
			return queues[0], nil
		})
	}
	if err != nil {
		s.release(KindBundle, name)
		return nil, opError("open", KindBundle, name, err)
	}
	b.release = func() { s.release(KindBundle, name) }
	return b, nil
}

// adoptQueues opens the queues that the store has.
func (s *Store) adoptQueues(name string) (queues []*queue, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if err != nil {
			for _, q := range queues {
				q.close()
			}
		}
	}()
	for _, it := range s.inventory.of(KindBundle, name) {
		fd, err := duplicate(it.fd)
		if err != nil {
			return queues, err
		}
		q, err := adoptQueue(fd)
		if err != nil {
			return queues, fmt.Errorf("%s: %w", it.fdName, err)
		}
		queues = append(queues, q)
	}
	return queues, nil
}

// newQueues makes and stores queues. s.change is held.
func (s *Store) newQueues(ctx context.Context, name string, n int) (queues []*queue, err error) {
	var fds []int
	for range n {
		q, failed := newQueue()
		if err = failed; err != nil {
			break
		}
		queues = append(queues, q)
		fds = append(fds, q.fd)
	}
	if err == nil {
		err = s.store(ctx, "store", KindBundle, name, notPolled, fds...)
	}
	if err != nil {
		for _, q := range queues {
			q.close()
		}
		return nil, err
	}
	return queues, nil
}
