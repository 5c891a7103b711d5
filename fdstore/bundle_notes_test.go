package fdstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// A note outlives the process, and takes no message.
func TestNotes(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	for i := range 10 {
		want.add(t, b, i, "before")
	}
	messages := len(b.young.messages)
	for id, p := range want {
		if id%2 == 0 {
			if err := b.Remove(id); err != nil {
				t.Fatal(err)
			}
			delete(want, id)
			continue
		}
		if err := b.Update(id, []byte("after")); err != nil {
			t.Fatal(err)
		}
		want[id] = parked{p.file, "after"}
	}
	if len(b.young.messages) != messages {
		t.Errorf("%d messages were sent", len(b.young.messages)-messages)
	}
	b.Close()
	b = bundleOf(t, &held, 0)
	check(t, b, want, "the next process")
	if err := b.flush(); err != nil {
		t.Fatal(err)
	}
	if n := len(b.notes.records); n != 0 {
		t.Errorf("%d notes are left after packing", n)
	}
	b.Close()
	check(t, bundleOf(t, &held, 0), want, "packed")
}

// Removing, and nothing else, packs now and then: the notes do not grow without end.
func TestNotesStayShort(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	items := make([]Item, 5000)
	fd := file(t)
	for i := range items {
		items[i].FD = fd
	}
	ids := must(b.AddBatch(items))
	most := int64(0)
	for _, id := range ids[:4900] {
		if err := b.Remove(id); err != nil {
			t.Fatal(err)
		}
		most = max(most, b.notes.journal.Size())
	}
	if most > 64<<10 {
		t.Errorf("the notes took up to %d bytes", most)
	}
	if q := b.packed[0]; q.slots > 100+2*deadMin+maxNotes {
		t.Errorf("%d descriptors are held for %d", q.slots, b.Len())
	}
	for range 5000 {
		if err := b.Update(ids[4950], []byte("again")); err != nil {
			t.Fatal(err)
		}
	}
	consistent(t, b, "at the end")
	if n := len(b.notes.records); n > maxNotes {
		t.Errorf("%d notes", n)
	}
}

// A process dies while it packs: after the block was sent, after the young queue was
// emptied, and before the notes are.
func TestNotesDieInPacking(t *testing.T) {
	for death := range 3 {
		t.Run(fmt.Sprint(death), func(t *testing.T) {
			testkit.CheckLeaks(t)
			var held []int
			closeHeld(t, &held)
			b := bundleOf(t, &held, 0)
			want := make(model)
			for i := range 100 {
				want.add(t, b, i, "one")
				if i == 50 {
					if err := b.flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 40 { // of those in the queue, and of those that are packed
				id := want.any()
				if err := b.Remove(id); err != nil {
					t.Fatal(err)
				}
				delete(want, id)
				id = want.any()
				if err := b.Update(id, []byte("two")); err != nil {
					t.Fatal(err)
				}
				want[id] = parked{want[id].file, "two"}
			}
			messages := b.young.messages
			ops := keep(nil, messages, b.notes.records)
			write := func(fds []int) error { return b.write(b.packed[0], ops, fds) }
			if err := b.carrier.carry(b.young, messages, write); err != nil {
				t.Fatal(err)
			}
			switch death {
			case 1:
				if err := b.young.drop(len(messages) / 2); err != nil {
					t.Fatal(err)
				}
			case 2:
				if err := b.young.disconnect(); err != nil {
					t.Fatal(err)
				}
			}
			b.Close()
			for range 3 {
				b = bundleOf(t, &held, 0)
				check(t, b, want, "the next process")
				want.add(t, b, 1000, "later")
				if err := b.flush(); err != nil {
					t.Fatal(err)
				}
				check(t, b, want, "packed again")
				b.Close()
			}
		})
	}
}

// An operation that a death has cut short has not been reported as done.
func TestTornNote(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	want.add(t, b, 1, "one")
	want.add(t, b, 2, "two")
	whole := b.notes.journal.Size()
	for size := whole + 1; ; size++ {
		if err := b.Remove(1); err != nil {
			t.Fatal(err)
		}
		if size == b.notes.journal.Size() {
			break
		}
		if err := unix.Ftruncate(held[0], size); err != nil {
			t.Fatal(err)
		}
		b.Close()
		b = bundleOf(t, &held, 0)
		check(t, b, want, fmt.Sprintf("%d bytes of a note", size-whole))
	}
}

// Damaged and missing parts have errors of their own.
func TestBadParts(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	id := must(b.Add(file(t), nil))
	if err := b.Remove(id); err != nil {
		t.Fatal(err)
	}
	last := b.notes.journal.Size() - 1
	b.Close()

	var p parts
	if err := p.adopt(must(sdstore.Duplicate(held[1]))); err != nil {
		t.Fatal(err)
	}
	if err := p.check(); !errors.Is(err, memfile.ErrTruncated) {
		t.Errorf("without notes: %v", err)
	}
	for range 2 {
		if err := p.adopt(must(sdstore.Duplicate(held[0]))); err != nil && !errors.Is(err, memfile.ErrForeign) {
			t.Error(err)
		}
	}
	if err := p.adopt(rawMemfd(t, []byte("what is this?"))); !errors.Is(err, memfile.ErrForeign) {
		t.Error(err)
	}
	p.close()

	memory := memfile.File(held[0])
	var flipped [1]byte
	if _, err := memory.ReadAt(flipped[:], last); err != nil {
		t.Fatal(err)
	}
	flipped[0] ^= 1
	fd := must(unix.Open(fmt.Sprintf("/proc/self/fd/%d", held[0]), unix.O_WRONLY|unix.O_CLOEXEC, 0))
	defer unix.Close(fd)
	if _, err := memfile.File(fd).WriteAt(flipped[:], last); err != nil {
		t.Fatal(err)
	}
	p = parts{}
	if err := p.adopt(must(sdstore.Duplicate(held[0]))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a flipped bit: %v", err)
	}
	p.close()
}

// Another writer is found out before its notes are cut off.
func TestSecondWriterOfNotes(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	b := bundleOf(t, &held, 0)
	want := make(model)
	want.add(t, b, 1, "one")
	want.add(t, b, 2, "two")
	want.add(t, b, 3, "three")
	other := bundleOf(t, &held, 0)
	for i, writer := range []*Bundle{b, other} {
		if err := writer.Remove(ID(1 + i)); err != nil {
			t.Fatal(err)
		}
		delete(want, ID(1+i))
	}
	if err := b.flush(); !errors.Is(err, errChanged) {
		t.Errorf("flush: %v", err)
	}
	if _, err := b.Add(0, nil); !errors.Is(err, errChanged) {
		t.Errorf("add: %v", err)
	}
	check(t, bundleOf(t, &held, 0), want, "afterwards")
}

func FuzzNote(f *testing.F) {
	f.Add(appendOp(appendOp(make([]byte, 8), op{kind: opRemove, id: 300}), op{kind: opLabel, id: 1}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, record []byte) {
		n := must(newNotes())
		defer n.close()
		if err := n.journal.append(record); err != nil {
			t.Fatal(err)
		}
		err := n.scan(func(m queued, ops []op) {
			for _, o := range ops {
				if o.kind == opAdd {
					t.Errorf("%q is a note with a descriptor", record)
				}
			}
		})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}
