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
)

// DefaultJournalSize bounds a journal whose config does not: 64 MiB.
const DefaultJournalSize = 64 << 20

// JournalConfig says what a journal is to be.
type JournalConfig struct {
	// Schema is the version of the application's records and snapshots. A journal
	// of a newer one is an [ErrNewerSchema]; one of an older one is opened, and
	// keeps its schema until it is rotated.
	Schema uint32

	// MaxSize bounds the file, header and snapshot included, in bytes.
	// Zero means DefaultJournalSize.
	MaxSize int64
}

func (c JournalConfig) maxSize() int64 {
	if c.MaxSize <= 0 {
		return DefaultJournalSize
	}
	return c.MaxSize
}

// JournalReader reads a journal: a snapshot and the records that came after it.
// It changes nothing, and moves no offset that is shared with other processes.
type JournalReader struct {
	file   memfd
	name   string
	header header
}

// OpenJournal reads the journal behind fd. It takes ownership of fd, on error too.
// It fails as [OpenBlob] does. The records are checked as they are read.
func OpenJournal(fd int, name string, schema uint32) (*JournalReader, error) {
	r, err := openJournal(memfd(fd), name, schema)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("fdstore: open journal %q: %w", name, err)
	}
	return r, nil
}

func openJournal(file memfd, name string, schema uint32) (*JournalReader, error) {
	size, err := file.size()
	if err != nil {
		return nil, err
	}
	h, err := readHeader(file, magicJournal, name)
	if err != nil {
		return nil, err
	}
	if h.length > uint64(size-headerSize) {
		return nil, fmt.Errorf("%w: the snapshot of %q: %d of %d bytes", ErrTruncated, name, size-headerSize, h.length)
	}
	if err := checkPayload(file, h, name); err != nil {
		return nil, err
	}
	if h.schema > schema {
		return nil, &VersionError{Name: name, Found: h.schema, Known: schema, Err: ErrNewerSchema}
	}
	return &JournalReader{file: file, name: name, header: h}, nil
}

// Schema is the version that the snapshot and the records were written with.
func (r *JournalReader) Schema() uint32 { return r.header.schema }

// Snapshot is the state that the records build upon. Its size is 0 if the journal
// was never rotated.
func (r *JournalReader) Snapshot() *io.SectionReader {
	return io.NewSectionReader(r.file, headerSize, int64(r.header.length))
}

// recordsAt is the offset of the first record.
func (r *JournalReader) recordsAt() int64 { return headerSize + int64(r.header.length) }

func (r *JournalReader) scanner() (*recordScanner, error) {
	size, err := r.file.size()
	if err != nil {
		return nil, err
	}
	length := size - r.recordsAt()
	return newRecordScanner(io.NewSectionReader(r.file, r.recordsAt(), length), length), nil
}

// Records yields the records in the order they were appended, up to the last whole
// one: what a death cut short is not a record. Each is valid until the next. A
// record that was changed afterwards is an [ErrCorrupt], and the last thing yielded.
func (r *JournalReader) Records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		scanner, err := r.scanner()
		for err == nil {
			var record []byte
			if record, err = scanner.next(); err == nil && !yield(record, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, fmt.Errorf("fdstore: read journal %q: %w", r.name, err))
		}
	}
}

// Close ends reading. The journal in the store is another descriptor, and stays.
func (r *JournalReader) Close() error { return unix.Close(int(r.file)) }

// Journal is a journal open for appending: see [Store.Journal]. Its methods may be
// called from several goroutines at once.
//
// One process writes to a journal at a time: in an upgrade the predecessor stops
// ([Store.Stop]) before the successor opens it. Should both write all the same, whole
// records alternate (the file is O_APPEND), and after the first rotation the other's
// writes fail.
type Journal struct {
	mu     sync.Mutex
	reader *JournalReader
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
func openForAppend(r *JournalReader, config JournalConfig) (j *Journal, err error) {
	defer func() {
		if err != nil {
			r.Close()
			err = fmt.Errorf("fdstore: open journal %q: %w", r.name, err)
		}
	}()
	scanner, err := r.scanner()
	for err == nil {
		_, err = scanner.next()
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	j = &Journal{reader: r, config: config, size: r.recordsAt() + scanner.end}
	size, err := r.file.size()
	if err != nil {
		return nil, err
	}
	// What a death cut short has to go, or the next record would lie behind it.
	if j.torn = size - j.size; j.torn > 0 {
		if err := unix.Ftruncate(int(r.file), j.size); err != nil {
			return nil, fmt.Errorf("cut off %d bytes of an unfinished record: %w", j.torn, err)
		}
	}
	return j, nil
}

// Schema, Snapshot and Records are those of [JournalReader]. A rotation makes
// snapshots taken before invalid and must not happen during Records.
func (j *Journal) Schema() uint32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.Schema()
}

// Snapshot is the state that the records build upon: see [JournalReader.Snapshot].
func (j *Journal) Snapshot() *io.SectionReader {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.Snapshot()
}

// Records yields the records: see [JournalReader.Records].
func (j *Journal) Records() iter.Seq2[[]byte, error] {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.reader.Records()
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
// it is an [ErrJournalFull] if the record would exceed MaxSize.
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
	length := int64(recordHeader + len(record))
	if len(record) > math.MaxUint32 || j.size+length > j.config.maxSize() {
		return fmt.Errorf("%w: %d bytes to add to %d of at most %d: rotate it", ErrJournalFull, length, j.size, j.config.maxSize())
	}
	// One write(2) each: either the kernel has the whole record or, if the process
	// is killed within it, the beginning of one.
	j.buffer = appendRecord(j.buffer[:0], record)
	n, err := unix.Write(int(j.reader.file), j.buffer)
	for n <= 0 && errors.Is(err, unix.EINTR) {
		n, err = unix.Write(int(j.reader.file), j.buffer)
	}
	if cap(j.buffer) > blobBuffer {
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
	size, err := j.reader.file.size()
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
// yet. The snapshot must hold what all records so far say: call Rotate where Append
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
		next.Close()
		return fmt.Errorf("fdstore: rotate journal %q: %w", name, err)
	}
	old := j.reader
	// Whoever still writes to the old file writes for nobody: let him know.
	_ = old.file.seal(unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK)
	j.reader, j.size = next, next.recordsAt()
	return old.Close()
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
	return j.reader.Close()
}

var errJournalClosed = errors.New("journal is closed")

// createJournal makes a journal of a snapshot, which may be nil, in memory that
// nobody else sees yet.
func createJournal(name string, config JournalConfig, snapshot func(w io.Writer) error) (*JournalReader, error) {
	w, err := NewBlobWriter(name, config.Schema)
	if err != nil {
		return nil, err
	}
	if snapshot != nil {
		err = snapshot(w)
	}
	if err == nil {
		err = w.complete(magicJournal)
	}
	if err == nil && headerSize+int64(w.written) > config.maxSize() {
		err = fmt.Errorf("%w: the snapshot alone has %d bytes of at most %d", ErrJournalFull, w.written, config.maxSize())
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(w.file), unix.F_SETFL, unix.O_RDWR|unix.O_APPEND)
	}
	if err != nil {
		w.Abort()
		return nil, err
	}
	h := header{magic: magicJournal, format: formatVersion, schema: config.Schema, length: w.written, checksum: w.sum}
	return &JournalReader{file: w.file, name: name, header: h}, nil
}
