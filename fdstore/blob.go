package fdstore

import (
	"context"
	"io"

	"github.com/instar-project/instar/internal/memfile"
	"github.com/instar-project/instar/internal/sdstore"
)

// Blob is state that was written whole: a sealed memory file. It never changes. Reading
// moves no offset that is shared with other processes, and ReadAt may be called from
// several goroutines at once.
type Blob struct {
	*io.SectionReader // over the payload: Read, ReadAt, Seek, Size
	file              memfile.File
	schema            uint32
}

// openBlob takes ownership of the file, on error too.
func openBlob(file memfile.File, name string, schema uint32) (*Blob, error) {
	h, err := memfile.OpenBlob(file, name, schema)
	if err != nil {
		file.Close()
		return nil, opError("open", sdstore.Blob, name, err)
	}
	return &Blob{h.Payload(file), file, h.Schema}, nil
}

// Schema is the version that the application gave the payload.
func (b *Blob) Schema() uint32 { return b.schema }

// Close ends reading. The blob in the store is another descriptor, and stays.
func (b *Blob) Close() error { return b.file.Close() }

// WriteBlob stores the output of write as the blob of that name. A blob that was there
// is replaced: at every instant the store has the old one or the new one, complete,
// which takes one more entry for a moment. schema is the version of the value: count it
// up when old programs could not read it. It fails as [Store.Put] does, and with the error of
// write; then the store is as it was.
func (s *Store) WriteBlob(ctx context.Context, name string, schema uint32, write func(w io.Writer) error) error {
	if err := s.share().MayPut("write", sdstore.Blob, name); err != nil {
		return err
	}
	w, err := memfile.NewWriter(name, schema)
	if err != nil {
		return opError("write", sdstore.Blob, name, err)
	}
	defer w.Abort()
	if err := write(w); err != nil {
		return opError("write", sdstore.Blob, name, err)
	}
	file, err := w.Blob()
	if err != nil {
		return opError("write", sdstore.Blob, name, err)
	}
	defer file.Close()
	return s.share().Put(ctx, "write", sdstore.Blob, name, sdstore.NotPolled, int(file))
}

// Blob opens the blob of that name, which the caller closes; the entry stays.
// schema is the highest version that the program reads. [ErrNotFound] if there is
// none; [ErrCorrupt] or [ErrNewer] if it cannot be read, and then it stays as it is.
//
// Of two, which a death in the middle of a replacement leaves, it opens the newer one.
func (s *Store) Blob(name string, schema uint32) (*Blob, error) {
	fd, err := s.share().Get("open", sdstore.Blob, name)
	if err != nil {
		return nil, err
	}
	return openBlob(memfile.File(fd), name, schema)
}
