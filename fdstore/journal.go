package fdstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
)

// JournalConfig is the schema and the size of a journal.
type JournalConfig struct {
	// Schema is the version of the application's records and snapshots. A journal
	// of a newer one is an [ErrNewer]; one of an older one is opened, and
	// keeps its schema until it is rotated.
	Schema uint32

	// MaxSize bounds the file, header and snapshot included, in bytes.
	// Zero means 64 MiB.
	MaxSize int64
}

func (c JournalConfig) maxSize() int64 {
	const usual = 64 << 20
	if c.MaxSize <= 0 {
		return usual
	}
	return c.MaxSize
}

// Journal opens the journal of that name for appending, or makes and stores an
// empty one. An unfinished record at its end, which only a death in the middle of a
// write leaves, is cut off. Its errors are those of [Store.Put], [ErrCorrupt] and [ErrNewer];
// on an error the journal is as it was, and [Store.ReadJournal] may show more of it.
func (s *Store) Journal(ctx context.Context, name string, config JournalConfig) (*Journal, error) {
	var j *Journal
	err := s.share().Use(sdstore.Journal, name, func() { j.Close() }, func(put func(context.Context, ...int) error) error {
		r, err := s.readJournal(name, config.Schema)
		if errors.Is(err, ErrNotFound) {
			r, err = storeJournal(ctx, name, config, put)
		}
		if err != nil {
			return err
		}
		if j, err = openForAppend(r, config); err != nil {
			return err
		}
		j.release = func() { s.share().Leave(sdstore.Journal, name) }
		j.replace = func(ctx context.Context, fd int) error {
			return s.share().Put(ctx, "rotate", sdstore.Journal, name, sdstore.NotPolled, fd)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

// storeJournal makes an empty journal.
func storeJournal(ctx context.Context, name string, config JournalConfig, put func(context.Context, ...int) error) (*journalReader, error) {
	r, err := createJournal(name, config, nil)
	if err != nil {
		return nil, opError("create", sdstore.Journal, name, err)
	}
	if err := put(ctx, int(r.file)); err != nil {
		r.file.Close()
		return nil, err
	}
	return r, nil
}

// ReadJournal opens the journal of that name for reading only, which the caller
// closes. Of a corrupt one it shows the records before the damage.
func (s *Store) ReadJournal(name string, schema uint32) (*Journal, error) {
	r, err := s.readJournal(name, schema)
	if err != nil {
		return nil, err
	}
	return &Journal{reader: r, err: errReadOnly}, nil
}

func (s *Store) readJournal(name string, schema uint32) (*journalReader, error) {
	fd, err := s.share().Get("open", sdstore.Journal, name)
	if err != nil {
		return nil, err
	}
	return openJournal(memfile.File(fd), name, schema)
}

// journalReader reads a journal: a snapshot and the records that came after it.
type journalReader struct {
	file   memfile.File
	name   string
	header memfile.Header
}

// openJournal takes ownership of the file, on error too. The records are checked as they
// are read.
func openJournal(file memfile.File, name string, schema uint32) (*journalReader, error) {
	h, err := memfile.OpenJournal(file, name, schema)
	if err != nil {
		file.Close()
		return nil, opError("open", sdstore.Journal, name, err)
	}
	return &journalReader{file, name, h}, nil
}

// recordsAt is the offset of the first record.
func (r *journalReader) recordsAt() int64 { return r.header.End() }

func (r *journalReader) scanner() (*memfile.Scanner, error) {
	size, err := r.file.Size()
	if err != nil {
		return nil, err
	}
	length := size - r.recordsAt()
	return memfile.NewScanner(io.NewSectionReader(r.file, r.recordsAt(), length), length), nil
}

func (r *journalReader) records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		scanner, err := r.scanner()
		for err == nil {
			var record []byte
			if record, err = scanner.Next(); err == nil && !yield(record, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, fmt.Errorf("fdstore: read journal %q: %w", r.name, err))
		}
	}
}

// Journal is a journal open for appending: see [Store.Journal]. Its methods may be
// called from several goroutines at once.
//
// One process writes to a journal at a time: in an upgrade the predecessor has parked
// before the successor opens it. Should both write all the same, whole
// records alternate (the file is O_APPEND), and after the first rotation the other's
// writes fail.
type Journal struct {
	mu     sync.Mutex
	reader *journalReader
	size   int64 // up to the last whole record
	torn   int64
	config JournalConfig
	buffer []byte
	err    error // why nothing can be appended any more

	// replace stores fd, borrowed, instead of the journal's file.
	replace func(ctx context.Context, fd int) error
	release func() // tells the store that the journal is closed
}

// openForAppend takes ownership of the reader, on error too.
func openForAppend(r *journalReader, config JournalConfig) (j *Journal, err error) {
	defer func() {
		if err != nil {
			r.file.Close()
			err = fmt.Errorf("fdstore: open journal %q: %w", r.name, err)
		}
	}()
	scanner, err := r.scanner()
	for err == nil {
		_, err = scanner.Next()
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	j = &Journal{reader: r, config: config, size: r.recordsAt() + scanner.End}
	size, err := r.file.Size()
	if err != nil {
		return nil, err
	}
	// A record that a death cut short has to go, or the next record would lie behind it.
	if j.torn = size - j.size; j.torn > 0 {
		if err := unix.Ftruncate(int(r.file), j.size); err != nil {
			return nil, fmt.Errorf("cut off %d bytes of an unfinished record: %w", j.torn, err)
		}
	}
	return j, nil
}

// Schema is the version that the snapshot and the records were written with.
func (j *Journal) Schema() uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.header.Schema
}

// Snapshot is the state that the records build upon. Its size is 0 if the journal
// was never rotated. A rotation makes it invalid.
func (j *Journal) Snapshot() *io.SectionReader {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.header.Payload(j.reader.file)
}

// Records yields the records in the order they were appended, up to the last whole
// one: a record that a death cut short is none. Each is valid until the next. A
// record that was changed afterwards is an [ErrCorrupt], and the last thing yielded. There
// must be no rotation meanwhile.
func (j *Journal) Records() iter.Seq2[[]byte, error] {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.records()
}

// Torn is how many bytes of an unfinished record were cut off when the journal was
// opened: its writer died within a write. 0 after an orderly end.
func (j *Journal) Torn() int64 { return j.torn }

// Size is that of the file, in bytes.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// NeedsRotation says that records take more than half of the room that the snapshot
// leaves them: time for [Journal.Rotate], before Append fails.
func (j *Journal) NeedsRotation() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	records := j.size - j.reader.recordsAt()
	return records > (j.config.maxSize()-j.reader.recordsAt())/2
}

// Append adds one record. When it returns nil, the record is in memory that systemd
// holds as well: no death of any process loses it. On an error nothing was added;
// it is an [ErrFull] if the record would exceed MaxSize.
func (j *Journal) Append(record []byte) error {
	if err := j.append(record); err != nil {
		return fmt.Errorf("fdstore: append to journal %q: %w", j.reader.name, err)
	}
	return nil
}

func (j *Journal) append(record []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	length := int64(memfile.RecordHeader + len(record))
	if len(record) > math.MaxUint32 || j.size+length > j.config.maxSize() {
		return fmt.Errorf("%w: %d bytes to add to %d of at most %d: rotate it", errJournalFull, length, j.size, j.config.maxSize())
	}
	// One write(2) each: either the kernel has the whole record or, if the process
	// is killed within it, the beginning of one.
	j.buffer = memfile.AppendRecord(j.buffer[:0], record)
	n, err := unix.Write(int(j.reader.file), j.buffer)
	for n <= 0 && errors.Is(err, unix.EINTR) {
		n, err = unix.Write(int(j.reader.file), j.buffer)
	}
	const worthKeeping = 64 << 10
	if cap(j.buffer) > worthKeeping {
		j.buffer = nil // one large record is no reason to keep so much
	}
	if n == int(length) {
		j.size += length
		return nil
	}
	return j.failed(n, err)
}

// failed takes back n bytes of a record that could not be written.
func (j *Journal) failed(n int, err error) error {
	if errors.Is(err, unix.EPERM) {
		j.err = fmt.Errorf("%w: another process has rotated it", ErrStopped)
		err = j.err
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	if n > 0 {
		if cut := unix.Ftruncate(int(j.reader.file), j.size); cut != nil {
			j.err = fmt.Errorf("an unfinished record cannot be cut off: %w", cut)
		}
	}
	return err
}

// unchanged fails if another process has added records, or taken some out.
func (j *Journal) unchanged() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	size, err := j.reader.file.Size()
	if err == nil && size != j.size {
		err = errChanged
	}
	return err
}

// cut takes all records out.
func (j *Journal) cut() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := unix.Ftruncate(int(j.reader.file), j.reader.recordsAt()); err != nil {
		return fmt.Errorf("ftruncate: %w", err)
	}
	j.size = j.reader.recordsAt()
	return nil
}

var errChanged = errors.New("another process has changed the journal")

// Rotate replaces the journal by one that begins with a snapshot and has no records
// yet. The snapshot must hold all that the records so far say: call Rotate where Append
// is called, with the same lock held. Append waits meanwhile, so the function must
// not call it.
//
// Snapshot and records are one file and one store entry, so no death can part
// them: until the store has confirmed the new file the old one is the state, complete;
// from then on the new one is, and it says the same. Nothing is appended to the new one
// before that. On an error the old journal goes on.
func (j *Journal) Rotate(ctx context.Context, snapshot func(w io.Writer) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	name := j.reader.name
	if j.err != nil {
		return fmt.Errorf("fdstore: rotate journal %q: %w", name, j.err)
	}
	next, err := createJournal(name, j.config, snapshot)
	if err != nil {
		return fmt.Errorf("fdstore: rotate journal %q: %w", name, err)
	}
	if err := j.replace(ctx, int(next.file)); err != nil {
		// It may be in the store all the same, until systemd reads on or, should this
		// process die before that, for good. It must not be taken for the newer one.
		_ = unix.Ftruncate(int(next.file), 0)
		next.file.Close()
		return fmt.Errorf("fdstore: rotate journal %q: %w", name, err)
	}
	old := j.reader
	// A process that still writes to the old file writes in vain: it gets an error.
	_ = old.file.Seal(unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK)
	j.reader, j.size = next, next.recordsAt()
	return old.file.Close()
}

// Close ends appending. The journal stays in the store.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.err, errJournalClosed) {
		return nil
	}
	j.err = fmt.Errorf("%w: %w", errJournalClosed, ErrStopped)
	if j.release != nil {
		j.release()
	}
	return j.reader.file.Close()
}

var (
	errJournalClosed = errors.New("journal is closed")
	errReadOnly      = errors.New("journal is open for reading only")
)

// createJournal makes a journal of a snapshot, which may be nil, in memory of its
// own.
func createJournal(name string, config JournalConfig, snapshot func(w io.Writer) error) (*journalReader, error) {
	w, err := memfile.NewWriter(name, config.Schema)
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if snapshot != nil {
		if err := snapshot(w); err != nil {
			return nil, err
		}
	}
	file, h, err := w.Journal()
	if err != nil {
		return nil, err
	}
	if h.End() > config.maxSize() {
		file.Close()
		return nil, fmt.Errorf("%w: the snapshot alone has %d bytes of at most %d", errJournalFull, h.Length, config.maxSize())
	}
	return &journalReader{file, name, h}, nil
}
