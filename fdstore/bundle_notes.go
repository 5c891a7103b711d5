package fdstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/memfile"
)

// notes is a journal in which a bundle notes the changes to its descriptors: removals and
// new labels. That takes no message, and so
// no room in a queue; nor does a write(2) cost as much as a sendmsg(2).
//
// A record is a message without descriptors: its seq, a uint64, and its ops. The
// records are written again, as far as they still mean anything, when the young queue is
// packed, and then they are cut off. Until then they lie beside it.
type notes struct {
	journal *Journal
	buffer  []byte // of the record being written; kept for the next

	// The mirror of the journal.
	records []queued
	ops     int // in its records
}

const notesSchema = 1 // of the journal: the format of its records

// newNotes makes notes with nothing in them.
func newNotes() (*notes, error) {
	r, err := createJournal("notes", JournalConfig{Schema: notesSchema}, nil)
	if err != nil {
		return nil, err
	}
	return notesOf(r)
}

// adoptNotes takes ownership of fd, which came out of the store, on error too.
func adoptNotes(fd int) (*notes, error) {
	r, err := openJournal(memfile.File(fd), "notes", notesSchema)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return notesOf(r)
}

func notesOf(r *journalReader) (*notes, error) {
	j, err := openForAppend(r, JournalConfig{Schema: notesSchema})
	if err != nil {
		return nil, err
	}
	return &notes{journal: j}, nil
}

func (n *notes) fd() int { return int(n.journal.reader.file) }

func (n *notes) close() { n.journal.Close() }

// write adds a record. It fails with errJournalFull where a queue would be full.
func (n *notes) write(seq uint64, ops []op) error {
	n.buffer = binary.LittleEndian.AppendUint64(n.buffer[:0], seq)
	for _, o := range ops {
		n.buffer = appendOp(n.buffer, o)
	}
	return n.journal.append(n.buffer)
}

// scan calls see with each record; marks are for the caller to add.
func (n *notes) scan(see func(m queued, ops []op)) error {
	scanner, err := n.journal.reader.scanner()
	for err == nil {
		var record []byte
		if record, err = scanner.Next(); err != nil {
			break
		}
		if len(record) < 8 {
			return fmt.Errorf("%w: a note of %d bytes", ErrCorrupt, len(record))
		}
		var ops []op
		// The scanner's memory is that of the next record, too.
		if ops, err = decodeOps(append([]byte(nil), record[8:]...), 0); err == nil {
			see(queued{seq: binary.LittleEndian.Uint64(record)}, ops)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// mirror notes that a record is at the end of the journal.
func (n *notes) mirror(m queued) {
	n.records = append(n.records, m)
	n.ops += len(m.marks)
}

// clear takes all records out of the journal, and out of the mirror.
func (n *notes) clear() error {
	if len(n.records) == 0 {
		return nil
	}
	if err := n.journal.cut(); err != nil {
		return err
	}
	clear(n.records) // so that it keeps no entry alive
	n.records, n.ops = n.records[:0], 0
	return nil
}
