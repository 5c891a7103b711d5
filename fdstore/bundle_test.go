package fdstore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/sdstore/storetest"
	"github.com/instar-project/instar/internal/testkit"
)

// parked is the content that a bundle should have.
type parked struct {
	file  int // identity
	label string
}

type model map[ID]parked

// recovered reads a bundle to its end.
func recovered(t testing.TB, b *Bundle) model {
	t.Helper()
	got := make(model)
	for item, err := range b.Recover() {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := got[item.ID]; twice {
			t.Fatalf("%d was yielded twice", item.ID)
		}
		got[item.ID] = parked{identity(t, item.FD), string(item.Label)}
		unix.Close(item.FD)
	}
	return got
}

func check(t testing.TB, b *Bundle, want model, when string) {
	t.Helper()
	got := recovered(t, b)
	if !maps.Equal(got, want) {
		for id, p := range want {
			if got[id] != p {
				t.Errorf("%s: %d is %v, want %v", when, id, got[id], p)
			}
		}
		for id, p := range got {
			if _, ok := want[id]; !ok {
				t.Errorf("%s: %d is %v, and should be gone", when, id, p)
			}
		}
		t.FailNow()
	}
	if b.Len() != len(want) {
		t.Fatalf("%s: Len is %d, want %d", when, b.Len(), len(want))
	}
	consistent(t, b, when)
}

// consistent recounts the index, and compares its counters.
func consistent(t testing.TB, b *Bundle, when string) {
	t.Helper()
	copies := make(map[ID]int)
	for i, q := range b.queues() {
		slots, ops, live := 0, 0, 0
		for _, m := range q.messages {
			ops += len(m.marks)
			slots += countAdds(m.marks)
			for _, k := range m.marks {
				if k.kind == opAdd {
					copies[k.entry.id]++
				}
				if k.current(m.seq) {
					live++
				}
			}
		}
		if q.slots != slots || q.ops != ops || q.live != live {
			t.Fatalf("%s: queue %d counts %d slots, %d ops, %d live: has %d, %d, %d", when, i, q.slots, q.ops, q.live, slots, ops, live)
		}
	}
	for e := range b.index.entries.all() {
		if e.copies != copies[e.id] {
			t.Fatalf("%s: %d counts %d copies, has %d", when, e.id, e.copies, copies[e.id])
		}
	}
}

// bundleOf opens a bundle over queues that the test holds, as the next process would.
func bundleOf(t testing.TB, held *[]int, sndbuf int) *Bundle {
	t.Helper()
	grow := func() (*queue, error) {
		q, err := newQueue()
		if err != nil {
			return nil, err
		}
		if sndbuf > 0 {
			if err := unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sndbuf); err != nil {
				return nil, err
			}
			if err := q.prepare(); err != nil {
				return nil, err
			}
		}
		*held = append(*held, must(sdstore.Duplicate(q.fd)))
		return q, nil
	}
	var p parts
	if len(*held) == 0 {
		p.notes = must(newNotes())
		*held = append(*held, must(sdstore.Duplicate(p.notes.fd())))
		p.queues = []*queue{must(grow()), must(grow())}
	} else {
		for _, fd := range *held {
			if err := p.adopt(must(sdstore.Duplicate(fd))); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := openBundle("test", p, alone(), grow)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func closeHeld(t testing.TB, held *[]int) { t.Cleanup(func() { descriptor.CloseAll(*held) }) }

// add adds a file of its own.
func (m model) add(t testing.TB, b *Bundle, file int, label string) {
	t.Helper()
	fd := identify(t, file)
	defer unix.Close(fd)
	id, err := b.Add(fd, []byte(label))
	if err != nil {
		t.Fatal(err)
	}
	if _, twice := m[id]; twice {
		t.Fatalf("ID %d is used twice", id)
	}
	m[id] = parked{file, label}
}

func (m model) any() ID {
	ids := slices.Collect(maps.Keys(m))
	return ids[rand.IntN(len(ids))]
}

func TestBundleInStore(t *testing.T) {
	testkit.CheckLeaks(t)
	m := storetest.Start(t, 3)
	s := nextGeneration(t, m)
	b, err := s.Bundle(background(), "connections")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bundle(background(), "connections"); err == nil {
		t.Error("a bundle was opened twice")
	}
	want := make(model)
	for i := range 1000 {
		want.add(t, b, i, strconv.Itoa(i))
	}
	check(t, b, want, "in the same process")
	if got := m.Names(); !slices.Equal(got, []string{"instar.bundle.connections.1", "instar.bundle.connections.2", "instar.bundle.connections.3"}) {
		t.Errorf("the store has %q", got)
	}
	if m.Polled("instar.bundle.connections.1") {
		t.Error("a bundle is polled")
	}
	b, err = nextGeneration(t, m).Bundle(background(), "connections")
	if err != nil {
		t.Fatal(err)
	}
	check(t, b, want, "in the next process")
	for i := range 100 {
		want.add(t, b, 5000+i, "new")
	}
	s = nextGeneration(t, m)
	b, err = s.Bundle(background(), "connections")
	if err != nil {
		t.Fatal(err)
	}
	check(t, b, want, "in the one after")
	if err := s.Remove(background(), "connections"); err == nil {
		t.Error("an open bundle was removed")
	}
	s.whole.Stop()
	if _, err := b.Add(0, nil); !errors.Is(err, ErrStopped) {
		t.Errorf("add after Stop: %v", err)
	}
	for _, err := range b.Recover() {
		if !errors.Is(err, ErrStopped) {
			t.Errorf("recover after Stop: %v", err)
		}
	}
	s.whole.Resume()
	if err := s.Remove(background(), "connections"); err != nil {
		t.Error(err)
	}
	if len(m.Names()) != 0 {
		t.Errorf("the store has %q", m.Names())
	}
}

func TestBundleErrors(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	fd := file(t)
	if _, err := b.Add(fd, make([]byte, MaxLabel+1)); !errors.Is(err, errLabelTooLong) {
		t.Error(err)
	}
	if ids, err := b.AddBatch([]Item{{FD: fd}, {FD: fd, Label: make([]byte, MaxLabel+1)}}); !errors.Is(err, errLabelTooLong) || len(ids) != 0 {
		t.Error(ids, err)
	}
	if _, err := b.Add(1<<20, nil); !errors.Is(err, unix.EBADF) {
		t.Error(err)
	}
	id, err := b.Add(fd, make([]byte, MaxLabel))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Update(id, make([]byte, MaxLabel+1)); !errors.Is(err, errLabelTooLong) {
		t.Error(err)
	}
	if err := b.Remove(id, 77); !errors.Is(err, ErrNotFound) || b.Len() != 1 {
		t.Error(err)
	}
	if err := b.Remove(id); err != nil {
		t.Error(err)
	}
	if err := b.Update(id, nil); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := b.Remove(id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// Anything, in any order, with and without a new process in between, agrees with a map.
func TestBundleModel(t *testing.T) {
	for _, c := range []struct {
		name   string
		sndbuf int
		steps  int
	}{
		{"default buffer", 0, 6000},
		{"small buffer", 12000, 6000}, // a few messages: grows and compacts all the time
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			var held []int
			closeHeld(t, &held)
			b := bundleOf(t, &held, c.sndbuf)
			want := make(model)
			for step := range c.steps {
				label := strings.Repeat("l", rand.IntN(20)*rand.IntN(3))
				if rand.IntN(50) == 0 {
					label = strings.Repeat("long", MaxLabel/4)
				}
				switch n := rand.IntN(1000); {
				case n < 450:
					want.add(t, b, step, label)
				case n < 460:
					var items []Item
					for i := range rand.IntN(600) {
						items = append(items, Item{FD: identify(t, i), Label: []byte(label)})
					}
					ids, err := b.AddBatch(items)
					if err != nil || len(ids) != len(items) {
						t.Fatal(len(ids), err)
					}
					for i, id := range ids {
						want[id] = parked{i, label}
						unix.Close(items[i].FD)
					}
				case n < 900 && len(want) > 0:
					id := want.any()
					if err := b.Remove(id); err != nil {
						t.Fatal(err)
					}
					delete(want, id)
				case n < 905:
					var ids []ID
					for id := range want {
						if len(ids) < len(want)*2/3 {
							ids = append(ids, id)
							delete(want, id)
						}
					}
					if err := b.Remove(ids...); err != nil {
						t.Fatal(err)
					}
				case n < 980 && len(want) > 0:
					id := want.any()
					if err := b.Update(id, []byte(label)); err != nil {
						t.Fatal(err)
					}
					want[id] = parked{want[id].file, label}
				case n < 990:
					check(t, b, want, fmt.Sprintf("step %d", step))
				case n < 995:
					// The process dies, and the next one goes on.
					b.Close()
					b = bundleOf(t, &held, c.sndbuf)
					check(t, b, want, fmt.Sprintf("step %d, next process", step))
				}
			}
			b.Close()
			check(t, bundleOf(t, &held, c.sndbuf), want, "at the end")
			t.Logf("%d queues, %d descriptors", len(held)-1, len(want))
		})
	}
}

// The process dies at every point of a rewriting: nothing is lost, and nothing that
// was removed comes back, then or later.
func TestBundleDiesInRewrite(t *testing.T) {
	const singles = 40
	for death := range singles + 3 {
		for _, source := range []string{"young", "packed"} {
			t.Run(fmt.Sprintf("%s/%d", source, death), func(t *testing.T) {
				testkit.CheckLeaks(t)
				var held []int
				closeHeld(t, &held)
				b := bundleOf(t, &held, 0)
				want := make(model)
				for i := range singles {
					want.add(t, b, i, "label")
				}
				from := b.young
				if source == "packed" {
					// One message each, so that there is much to die between.
					from = b.packed[0]
					for len(b.young.messages) > 0 {
						oldest := slices.Clone(b.young.messages[:1])
						ops := keep(nil, oldest, nil)
						write := func(fds []int) error { return b.write(from, ops, fds) }
						if err := b.carrier.carry(b.young, oldest, write); err != nil {
							t.Fatal(err)
						}
						closeDuplicates(oldest)
						b.index.forget(oldest)
						if err := b.young.drop(1); err != nil {
							t.Fatal(err)
						}
					}
				}
				for range 10 {
					id := want.any()
					if err := b.Remove(id); err != nil {
						t.Fatal(err)
					}
					delete(want, id)
					id = want.any()
					if err := b.Update(id, []byte("changed")); err != nil {
						t.Fatal(err)
					}
					want[id] = parked{want[id].file, "changed"}
				}
				check(t, b, want, "before")

				// rewrite, up to the death.
				messages := b.oldest(from)
				var notes []queued
				if source == "young" {
					notes = b.notes.records
				}
				write := func(fds []int) error { return b.write(b.packed[0], keep(nil, messages, notes), fds) }
				if err := b.carrier.carry(from, messages, write); err != nil {
					t.Fatal(err)
				}
				if death <= singles {
					if err := from.drop(min(death, len(messages)-1)); err != nil {
						t.Fatal(err)
					}
				} else if source == "young" {
					if err := from.disconnect(); err != nil {
						t.Fatal(err)
					}
				}
				b.Close()

				for range 3 {
					b = bundleOf(t, &held, 0)
					check(t, b, want, "the next process")
					for i := range 400 { // enough for every message to move
						want.add(t, b, 1000+i, "later")
						if i%2 == 0 {
							id := want.any()
							if err := b.Remove(id); err != nil {
								t.Fatal(err)
							}
							delete(want, id)
						}
					}
					for len(b.packed[0].messages) > 1 && b.packed[0].messages[0].seq < b.index.lastSeq-900 {
						if err := b.rewrite(b.packed[0], b.packed[0]); err != nil {
							t.Fatal(err)
						}
					}
					check(t, b, want, "after going on")
					b.Close()
				}
			})
		}
	}
}

// The number of live descriptors bounds the queue's length, whatever has come and
// gone.
func TestBundleStaysShort(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	for i := range 1000 {
		want.add(t, b, i, "")
	}
	fd := file(t)
	for range 20000 {
		id, err := b.Add(fd, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(id); err != nil {
			t.Fatal(err)
		}
		old := want.any()
		if rand.IntN(4) == 0 {
			if err := b.Remove(old); err != nil {
				t.Fatal(err)
			}
			file := want[old].file
			delete(want, old)
			want.add(t, b, file, "")
		}
	}
	check(t, b, want, "after much coming and going")
	if len(held) != 3 {
		t.Errorf("it took %d queues", len(held)-1)
	}
	if q := b.packed[0]; q.slots > 4*len(want) {
		t.Errorf("%d descriptors are held for %d", q.slots, len(want))
	}
}

func TestBundleEndsConnections(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	client := must(net.Dial("tcp", l.Addr().String()))
	defer client.Close()
	server := must(l.Accept())
	id, err := b.AddConn(server.(*net.TCPConn), []byte("peer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.EndConn(id, server.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if n, err := client.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("the client sees no end")
	}
}

// Two sockets' worth of foreign things.
func TestAdoptForeignQueue(t *testing.T) {
	testkit.CheckLeaks(t)
	pair := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(pair[1])
	tcp := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	for _, fd := range []int{pair[0], tcp, rawMemfd(t, nil)} {
		if _, err := adoptQueue(fd); !errors.Is(err, memfile.ErrForeign) {
			t.Errorf("descriptor %d: %v", fd, err)
		}
	}
	q := must(newQueue())
	defer q.close()
	if err := q.send([]byte("what is this?"), nil); err != nil {
		t.Fatal(err)
	}
	if err := q.scan(func(queued, []op) {}); !errors.Is(err, memfile.ErrForeign) {
		t.Error(err)
	}
	// No other socket can send to it.
	stranger := must(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	defer unix.Close(stranger)
	if err := unix.Sendto(stranger, []byte("hello"), 0, q.self); !errors.Is(err, unix.EPERM) {
		t.Errorf("a stranger could send: %v", err)
	}
	// Nor is a message taken for ours that came in while it was not connected.
	if err := q.disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(stranger, []byte("hello"), 0, q.self); err != nil {
		t.Fatal(err)
	}
	if err := q.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := q.scan(func(queued, []op) { t.Error("a stranger's message was read") }); err != nil {
		t.Error(err)
	}
}

// A second writer is found out before it does harm.
func TestSecondWriter(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	want.add(t, b, 1, "one")
	other := bundleOf(t, &held, 0)
	want.add(t, other, 2, "two")
	if err := b.flush(); !errors.Is(err, errAdded) {
		t.Errorf("flush: %v", err)
	}
	if _, err := b.Add(0, nil); !errors.Is(err, errAdded) {
		t.Errorf("add: %v", err)
	}
	check(t, bundleOf(t, &held, 0), want, "afterwards")
}

func FuzzMessage(f *testing.F) {
	body := appendOp(appendOp(nil, op{kind: opAdd, id: 7, label: []byte("label")}), op{kind: opRemove, id: 300})
	f.Add(appendMessage(nil, messageHead{seq: 5, adds: 1}, body))
	f.Add(appendMessage(nil, messageHead{seq: 5, adds: 1, table: true}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, body, err := decodeMessage(b)
		if err != nil {
			return
		}
		if got := appendMessage(nil, m, body); !bytes.Equal(got, b) {
			t.Errorf("%q was read as %q", b, got)
		}
	})
}

func FuzzOps(f *testing.F) {
	f.Add(appendOp(appendOp(nil, op{kind: opAdd, id: 7, label: []byte("label")}), op{kind: opRemove, id: 300}), 1)
	f.Add(appendOp(nil, op{kind: opLabel, id: 1}), 0)
	f.Fuzz(func(t *testing.T, body []byte, adds int) {
		ops, err := decodeOps(body, adds)
		if err != nil {
			return
		}
		var again []byte
		for _, o := range ops {
			again = appendOp(again, o)
		}
		same, err := decodeOps(again, adds)
		if err != nil || len(same) != len(ops) || len(ops) < adds {
			t.Errorf("%v was read as %v, %v", ops, same, err)
		}
	})
}
