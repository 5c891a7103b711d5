package fdstore

import (
	"fmt"
	"os"
	"testing"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"

	"golang.org/x/sys/unix"
)

// The bare system calls are the measure of the package's own cost. They get the
// same room: 252 messages, then the queue is emptied, off the clock.

func BenchmarkBareWrite(b *testing.B) {
	fd := int(must(memfile.New("bench")))
	defer unix.Close(fd)
	must(unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_RDWR|unix.O_APPEND))
	record := make([]byte, 100+memfile.RecordHeader)
	size := 0
	for b.Loop() {
		must(unix.Write(fd, record))
		if size += len(record); size > 32<<20 {
			b.StopTimer()
			size = 0
			if err := unix.Ftruncate(fd, 0); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

func BenchmarkJournalAppend(b *testing.B) {
	r := must(createJournal("bench", JournalConfig{}, nil))
	j := must(openForAppend(r, JournalConfig{}))
	defer j.Close()
	record := make([]byte, 100)
	for b.Loop() {
		if err := j.Append(record); err != nil {
			b.Fatal(err)
		}
		if j.size > 32<<20 {
			b.StopTimer()
			j.size = j.reader.recordsAt()
			if err := unix.Ftruncate(int(j.reader.file), j.size); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

const benchLabel = "192.0.2.1:12345 nickname"

func BenchmarkBareSendmsg(b *testing.B) { benchSendmsg(b, unix.UnixRights(benchSocket(b))) }

// A removal is a record of the notes.
func BenchmarkBareSendmsgPlain(b *testing.B) { benchSendmsg(b, nil) }

func benchSendmsg(b *testing.B, rights []byte) {
	q := must(newQueue())
	defer q.close()
	data := make([]byte, messageHeader+3+len(benchLabel))
	n := 0
	for b.Loop() {
		must(unix.SendmsgN(q.fd, data, rights, nil, unix.MSG_DONTWAIT))
		if n++; n%maxAdds == 0 {
			b.StopTimer()
			if err := q.disconnect(); err != nil {
				b.Fatal(err)
			}
			if err := q.connect(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// Every message has to be read some day, and that is on a bundle's clock.
func BenchmarkBareSendmsgRead(b *testing.B) {
	q := must(newQueue())
	defer q.close()
	fd := benchSocket(b)
	rights := unix.UnixRights(fd)
	data := make([]byte, messageHeader+3+len(benchLabel))
	for b.Loop() {
		must(unix.SendmsgN(q.fd, data, rights, nil, unix.MSG_DONTWAIT))
		must(unix.Read(q.fd, data))
	}
}

func benchSocket(b *testing.B) int {
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	b.Cleanup(func() { unix.Close(fd) })
	return fd
}

// filled is a bundle of n sockets.
func filled(b *testing.B, n int) (*Bundle, []ID) {
	held := new([]int)
	closeHeld(b, held)
	bundle := bundleOf(b, held, 0)
	ids, err := bundle.AddBatch(sockets(b, n))
	if err != nil {
		b.Fatal(err)
	}
	return bundle, ids
}

// sockets makes n different sockets, as far as the limit of open files allows.
func sockets(b *testing.B, n int) []Item {
	items := make([]Item, n)
	for i := range items {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			closeItems(items[:i])
			b.Skipf("%d sockets: %v: raise the limit of open files", n, err)
		}
		items[i] = Item{FD: fd, Label: []byte(benchLabel)}
	}
	b.Cleanup(func() { closeItems(items) })
	return items
}

// closeItems closes each once, however often it is called.
func closeItems(items []Item) {
	for i, item := range items {
		if item.FD >= 0 {
			unix.Close(item.FD)
		}
		items[i].FD = -1
	}
}

var benchSizes = []int{1000, 4000, 8000, 18000}

// One joins, and the one that has been there longest leaves.
func BenchmarkBundleAddRemove(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bundle, ids := filled(b, n)
			fd, label := benchSocket(b), []byte(benchLabel)
			i := 0
			for b.Loop() {
				id, err := bundle.Add(fd, label)
				if err != nil {
					b.Fatal(err)
				}
				if err := bundle.Remove(ids[i]); err != nil {
					b.Fatal(err)
				}
				ids[i] = id
				i = (i + 7919) % len(ids) // a prime: anybody leaves
			}
			b.ReportMetric(float64(len(bundle.packed)+1), "queues")
		})
	}
}

// The same with a connection, which lends its descriptor, as long as it is open.
func BenchmarkBundleAddConnRemove(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bundle, ids := filled(b, n)
			conn, label := os.NewFile(uintptr(must(sdstore.Duplicate(benchSocket(b)))), "conn"), []byte(benchLabel)
			defer conn.Close()
			i := 0
			for b.Loop() {
				id, err := bundle.AddConn(conn, label)
				if err != nil {
					b.Fatal(err)
				}
				if err := bundle.Remove(ids[i]); err != nil {
					b.Fatal(err)
				}
				ids[i] = id
				i = (i + 7919) % len(ids)
			}
		})
	}
}

// Only joining, and never so many that the size changes much.
func BenchmarkBundleAdd(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bundle, _ := filled(b, n)
			fd, label := benchSocket(b), []byte(benchLabel)
			var added []ID
			for b.Loop() {
				id, err := bundle.Add(fd, label)
				if err != nil {
					b.Fatal(err)
				}
				if added = append(added, id); len(added) == 8*maxAdds {
					b.StopTimer()
					if err := bundle.Remove(added...); err != nil {
						b.Fatal(err)
					}
					if err := bundle.flush(); err != nil {
						b.Fatal(err)
					}
					added = added[:0]
					b.StartTimer()
				}
			}
		})
	}
}

// Only leaving: a bundle of n and then some, which are added again off the clock.
func BenchmarkBundleRemove(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			bundle, _ := filled(b, n)
			fd := benchSocket(b)
			more := make([]Item, 8*maxAdds)
			for i := range more {
				more[i] = Item{FD: fd, Label: []byte(benchLabel)}
			}
			var ids []ID
			for b.Loop() {
				if len(ids) == 0 {
					b.StopTimer()
					ids = must(bundle.AddBatch(more))
					b.StartTimer()
				}
				if err := bundle.Remove(ids[0]); err != nil {
					b.Fatal(err)
				}
				ids = ids[1:]
			}
		})
	}
}

func BenchmarkBundlePack(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			items := sockets(b, n)
			for b.Loop() {
				b.StopTimer()
				var held []int
				bundle := bundleOf(b, &held, 0)
				b.StartTimer()
				must(bundle.AddBatch(items))
				b.StopTimer()
				bundle.Close()
				descriptor.CloseAll(held)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/fd")
		})
	}
}

// Opening and recovering, as the next process does.
func BenchmarkBundleRecover(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			held := new([]int)
			closeHeld(b, held)
			before := bundleOf(b, held, 0)
			items := sockets(b, n)
			must(before.AddBatch(items))
			before.Close()
			closeItems(items) // the process that had them has died
			var fds []int
			for b.Loop() {
				bundle := bundleOf(b, held, 0)
				for item, err := range bundle.Recover() {
					if err != nil {
						b.Fatal(err)
					}
					fds = append(fds, item.FD)
				}
				b.StopTimer()
				bundle.Close()
				descriptor.CloseAll(fds)
				fds = fds[:0]
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/fd")
		})
	}
}
