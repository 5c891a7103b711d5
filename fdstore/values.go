package fdstore

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// WriteBlob stores what write writes as the blob of that name. A blob that was there
// is replaced: at every instant the store has the old one or the new one, complete,
// which takes one more entry for a moment. It fails as [Store.Put] does, but for
// [ErrExist], and with the error of write; then the store is as it was.
func (s *Store) WriteBlob(ctx context.Context, name string, schema uint32, write func(w io.Writer) error) error {
	if err := s.mayStore(KindBlob, name); err != nil {
		return opError("write", KindBlob, name, err)
	}
	w, err := NewBlobWriter(name, schema)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := write(w); err != nil {
		return opError("write", KindBlob, name, err)
	}
	fd, err := w.Seal()
	if err != nil {
		return opError("write", KindBlob, name, err)
	}
	defer unix.Close(fd)
	s.change.Lock()
	defer s.change.Unlock()
	return s.store(ctx, "write", KindBlob, name, notPolled, fd)
}

// Blob opens the blob of that name, which the caller closes; the entry stays.
// schema is the highest version that the program reads. [ErrNotFound] if there is
// none; else its errors are those of [OpenBlob].
//
// Of two, which a death in the middle of a replacement leaves, it opens the newer one.
func (s *Store) Blob(name string, schema uint32) (*Blob, error) {
	fd, err := s.duplicate("open", KindBlob, name)
	if err != nil {
		return nil, err
	}
	return OpenBlob(fd, name, schema)
}

// Journal opens the journal of that name for appending, or makes and stores an
// empty one. An unfinished record at its end, which only a death in the middle of a
// write leaves, is cut off. Its errors are those of [OpenBlob] and of [Store.Put]; on an
// error the journal is as it was, and [Store.ReadJournal] may show more of it.
//
// Journal may be called before a takeover only if the predecessor has stopped.
func (s *Store) Journal(ctx context.Context, name string, config JournalConfig) (*Journal, error) {
	s.change.Lock() // held to the end, so that Stop finds the journal in use or not begun
	defer s.change.Unlock()
	var j *Journal
	if err := s.use(KindJournal, name, func() { j.Close() }); err != nil {
		return nil, opError("open", KindJournal, name, err)
	}
	r, err := s.ReadJournal(name, config.Schema)
	if errors.Is(err, ErrNotFound) {
		r, err = s.storeJournal(ctx, name, config)
	}
	if err == nil {
		j, err = openForAppend(r, config)
	}
	if err != nil {
		s.release(KindJournal, name)
		return nil, err
	}
	j.release = func() { s.release(KindJournal, name) }
	j.replace = func(ctx context.Context, fd int) error {
		s.change.Lock()
		defer s.change.Unlock()
		return s.store(ctx, "rotate", KindJournal, name, notPolled, fd)
	}
	return j, nil
}

// storeJournal makes an empty journal. s.change is held.
func (s *Store) storeJournal(ctx context.Context, name string, config JournalConfig) (*JournalReader, error) {
	r, err := createJournal(name, config, nil)
	if err != nil {
		return nil, opError("create", KindJournal, name, err)
	}
	if err := s.store(ctx, "create", KindJournal, name, notPolled, int(r.file)); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// ReadJournal opens the journal of that name for reading only, which the caller
// closes. Of a corrupt one it shows the records before the damage.
func (s *Store) ReadJournal(name string, schema uint32) (*JournalReader, error) {
	fd, err := s.duplicate("open", KindJournal, name)
	if err != nil {
		return nil, err
	}
	return OpenJournal(fd, name, schema)
}
