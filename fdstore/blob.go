package fdstore

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/sys/unix"
)

const blobSeals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// Blob is state that was written whole: a sealed memory file. It never changes.
// Reading
// moves no offset that is shared with other processes, and ReadAt may be called from
// several goroutines at once.
type Blob struct {
	*io.SectionReader // over the payload: Read, ReadAt, Seek, Size
	file              memfd
	schema            uint32
}

// OpenBlob reads the blob behind fd and checks it all, payload included. It takes
// ownership of fd, on error too. schema is the highest version that the program
// reads; name is for errors. What does not fit is [ErrForeign], [ErrTruncated],
// [ErrCorrupt], [ErrNewerFormat] or [ErrNewerSchema], and is left as it was.
func OpenBlob(fd int, name string, schema uint32) (*Blob, error) {
	b, err := openBlob(memfd(fd), name, schema)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("fdstore: open blob %q: %w", name, err)
	}
	return b, nil
}

func openBlob(file memfd, name string, schema uint32) (*Blob, error) {
	size, err := file.size()
	if err != nil {
		return nil, err
	}
	// Sealed first, checked then: what has been checked stays so. It is sealed
	// already, unless it was carried over a kexec, which need not keep seals.
	if seals, err := unix.FcntlInt(uintptr(file), unix.F_GET_SEALS, 0); err != nil {
		return nil, fmt.Errorf("%w: %q is no memory file that can be sealed: %v", ErrForeign, name, err)
	} else if seals&unix.F_SEAL_SEAL == 0 {
		if err := checkMagic(file, magicBlob, name); err != nil {
			return nil, err // not ours to seal
		}
		if err := file.seal(blobSeals); err != nil {
			return nil, err
		}
	}
	h, err := readHeader(file, magicBlob, name)
	if err != nil {
		return nil, err
	}
	if h.length > uint64(size-headerSize) {
		return nil, fmt.Errorf("%w: %q holds %d of %d bytes", ErrTruncated, name, size-headerSize, h.length)
	}
	if h.length < uint64(size-headerSize) {
		return nil, fmt.Errorf("%w: %q has %d bytes after its payload", ErrCorrupt, name, uint64(size-headerSize)-h.length)
	}
	if err := checkPayload(file, h, name); err != nil {
		return nil, err
	}
	if h.schema > schema {
		return nil, &VersionError{Name: name, Found: h.schema, Known: schema, Err: ErrNewerSchema}
	}
	payload := io.NewSectionReader(file, headerSize, int64(h.length))
	return &Blob{SectionReader: payload, file: file, schema: h.schema}, nil
}

// checkPayload compares what follows the header with its checksum.
func checkPayload(file io.ReaderAt, h header, name string) error {
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(file, headerSize, int64(h.length))); err != nil {
		return err
	}
	if sum.Sum32() != h.checksum {
		return fmt.Errorf("%w: the payload of %q does not match its checksum", ErrCorrupt, name)
	}
	return nil
}

func readHeader(file io.ReaderAt, magic, name string) (header, error) {
	var b [headerSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	return decodeHeader(b[:n], magic, name)
}

func checkMagic(file memfd, magic, name string) error {
	_, err := readHeader(file, magic, name)
	if errors.Is(err, ErrForeign) {
		return err
	}
	return nil
}

// Schema is the version that the application gave the payload.
func (b *Blob) Schema() uint32 { return b.schema }

// Close ends reading. The blob in the store is another descriptor, and stays.
func (b *Blob) Close() error { return unix.Close(int(b.file)) }

// BlobWriter writes a blob, in memory that nobody else sees. End it with
// [BlobWriter.Seal] or [BlobWriter.Abort].
type BlobWriter struct {
	file    memfd
	buffer  []byte // so that small writes cost no system call each
	written uint64 // bytes of the payload that are in the file
	sum     uint32
	schema  uint32
	err     error // the first one; every later call returns it
}

const blobBuffer = 64 << 10

// NewBlobWriter begins a blob. The name shows in /proc/PID/fd and means nothing
// else; schema is the application's, see [Blob.Schema].
func NewBlobWriter(name string, schema uint32) (*BlobWriter, error) {
	fd, err := newMemfd(name)
	if err != nil {
		return nil, fmt.Errorf("fdstore: begin blob %q: %w", name, err)
	}
	return &BlobWriter{file: memfd(fd), schema: schema}, nil
}

// Write adds to the payload.
func (w *BlobWriter) Write(p []byte) (int, error) {
	if len(w.buffer)+len(p) > blobBuffer {
		w.flush()
	}
	if len(p) > blobBuffer {
		w.write(p)
	} else {
		w.buffer = append(w.buffer, p...)
	}
	if w.err != nil {
		return 0, w.err
	}
	w.sum = crc32.Update(w.sum, castagnoli, p)
	return len(p), nil
}

func (w *BlobWriter) flush() {
	w.write(w.buffer)
	w.buffer = w.buffer[:0]
}

func (w *BlobWriter) write(p []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.file.WriteAt(p, headerSize+int64(w.written)); err != nil {
		w.err = fmt.Errorf("fdstore: write blob: %w", err)
		return
	}
	w.written += uint64(len(p))
}

// complete writes what is buffered, and then the header: without that there is
// nothing that could be taken for a blob.
func (w *BlobWriter) complete(magic string) error {
	w.flush()
	if w.err != nil {
		return w.err
	}
	h := header{magic: magic, schema: w.schema, length: w.written, checksum: w.sum}.encode()
	if _, err := w.file.WriteAt(h[:], 0); err != nil {
		w.err = fmt.Errorf("fdstore: write header: %w", err)
	}
	return w.err
}

// Seal completes the blob and returns its descriptor, which is the caller's. The
// writer is done with, on error too.
func (w *BlobWriter) Seal() (fd int, err error) {
	if err = w.complete(magicBlob); err == nil {
		err = w.file.seal(blobSeals)
	}
	if err != nil {
		w.Abort()
		return -1, err
	}
	w.err = errBlobDone
	return int(w.file), nil
}

// Abort throws away what was written. After Seal it does nothing.
func (w *BlobWriter) Abort() {
	if w.err != errBlobDone {
		w.err = errBlobDone
		unix.Close(int(w.file))
	}
}

var errBlobDone = errors.New("fdstore: blob was sealed or aborted")
