package memfile

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Contents is the report of [Inspect] on a memory file.
type Contents struct {
	Journal bool   // it is a blob otherwise
	Schema  uint32 // that of the application
	// Bytes is the size of the blob's payload, or of the journal's snapshot.
	Bytes int64
	// Records of a journal that came after the snapshot, RecordBytes of payload in
	// all; 0 for a blob.
	Records     int
	RecordBytes int64
	// Torn is how many bytes follow the last whole record: of one that is just being
	// written, or that a death has cut short.
	Torn int64
	// Unchecked is how many bytes were not read, for Inspect's limit: their checksums
	// may be wrong, and records among them are not counted.
	Unchecked int64
}

// Inspect reads a blob or a journal, of size bytes, and checks its checksums, of limit
// bytes at most; 0 or less: all. A file may be hostile: a sparse one costs nothing, and
// hours to read. No more than a buffer of it is in memory.
//
// It is for looking at a store from outside, while the service runs: it only reads, knows
// no schema that is too new, and seals nothing. name is for errors: [ErrCorrupt],
// [ErrNewer], and those of file.
func Inspect(file io.ReaderAt, size, limit int64, name string) (Contents, error) {
	if limit <= 0 {
		limit = math.MaxInt64
	}
	c, err := inspect(file, size, limit, name)
	if err != nil {
		return Contents{}, fmt.Errorf("inspect %q: %w", name, err)
	}
	return c, nil
}

func inspect(file io.ReaderAt, size, limit int64, name string) (Contents, error) {
	journal := true
	h, err := readHeader(file, magicJournal, name)
	if errors.Is(err, ErrForeign) {
		journal = false
		h, err = readHeader(file, magicBlob, name)
	}
	if err != nil {
		return Contents{}, err
	}
	rest := size - headerSize
	switch {
	case h.Length > uint64(max(rest, 0)):
		return Contents{}, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, rest, h.Length)
	case !journal && h.Length < uint64(rest):
		return Contents{}, fmt.Errorf("%w: %d bytes after the payload", ErrCorrupt, uint64(rest)-h.Length)
	}
	c := Contents{Journal: journal, Schema: h.Schema, Bytes: int64(h.Length)}
	if c.Bytes > limit {
		c.Unchecked = c.Bytes
	} else if err := checkPayload(file, h, name); err != nil {
		return Contents{}, err
	} else {
		limit -= c.Bytes
	}
	if !journal {
		return c, nil
	}
	start := headerSize + c.Bytes
	scanner := NewScanner(io.NewSectionReader(file, start, size-start), size-start)
	for {
		h, err := scanner.header()
		if err == nil && scanner.End+RecordHeader+h.length > limit {
			c.Unchecked += size - start - scanner.End
			return c, nil
		}
		if err == nil {
			err = scanner.check(h)
		}
		if errors.Is(err, io.EOF) {
			c.Torn = size - start - scanner.End
			return c, nil
		}
		if err != nil {
			return Contents{}, err
		}
		c.Records++
		c.RecordBytes += h.length
	}
}
