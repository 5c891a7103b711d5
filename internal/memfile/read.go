package memfile

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const blobSeals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// OpenBlob checks a blob, payload included. file is borrowed. schema is the highest
// version that the program reads; name is for errors. A blob that does not fit is an
// [ErrCorrupt] or [ErrNewer], and is left as it was.
func OpenBlob(file File, name string, schema uint32) (Header, error) {
	size, err := file.Size()
	if err != nil {
		return Header{}, err
	}
	// Sealed first, checked then: so it stays as it was checked. It is sealed
	// already, unless it was carried over a kexec, which need not keep seals.
	if seals, err := unix.FcntlInt(uintptr(file), unix.F_GET_SEALS, 0); err != nil {
		return Header{}, fmt.Errorf("%w: %q is no memory file that can be sealed: %v", ErrForeign, name, err)
	} else if seals&unix.F_SEAL_SEAL == 0 {
		if _, err := readHeader(file, magicBlob, name); errors.Is(err, ErrForeign) {
			return Header{}, err // not ours to seal
		}
		if err := file.Seal(blobSeals); err != nil {
			return Header{}, err
		}
	}
	h, err := readHeader(file, magicBlob, name)
	if err != nil {
		return Header{}, err
	}
	if h.Length > uint64(size-headerSize) {
		return Header{}, fmt.Errorf("%w: %q holds %d of %d bytes", ErrTruncated, name, size-headerSize, h.Length)
	}
	if h.Length < uint64(size-headerSize) {
		return Header{}, fmt.Errorf("%w: %q has %d bytes after its payload", ErrCorrupt, name, uint64(size-headerSize)-h.Length)
	}
	return h, h.check(file, name, schema)
}

// OpenJournal checks a journal's snapshot, as [OpenBlob] does. The records are checked as
// they are read, by a [Scanner].
func OpenJournal(file File, name string, schema uint32) (Header, error) {
	size, err := file.Size()
	if err != nil {
		return Header{}, err
	}
	h, err := readHeader(file, magicJournal, name)
	if err != nil {
		return Header{}, err
	}
	if h.Length > uint64(size-headerSize) {
		return Header{}, fmt.Errorf("%w: the snapshot of %q: %d of %d bytes", ErrTruncated, name, size-headerSize, h.Length)
	}
	return h, h.check(file, name, schema)
}

func (h Header) check(file File, name string, schema uint32) error {
	if err := checkPayload(file, h, name); err != nil {
		return err
	}
	if h.Schema > schema {
		return Newer(name, "schema", h.Schema, schema)
	}
	return nil
}
