package memfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A record of a journal:
//
//	0  length  uint32: of the payload
//	4  check   uint32: CRC-32C of the length
//	8  sum     uint32: CRC-32C of the payload
//
// then the payload. A write that a death cuts short leaves the beginning of a record,
// and that can be told from damage, because the length has a checksum of its own.
const RecordHeader = 12

// AppendRecord appends the record of that payload to b.
func AppendRecord(b, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], Castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, Castagnoli))
	return append(b, payload...)
}

// A Scanner reads records one after the other.
type Scanner struct {
	r       *bufio.Reader
	left    int64 // bytes in r
	End     int64 // of the last whole record, from where the scan began
	payload []byte
}

// NewScanner reads the records behind a journal's snapshot.
func NewScanner(r io.Reader, size int64) *Scanner {
	return &Scanner{r: bufio.NewReaderSize(r, 64<<10), left: size}
}

// record is the header of one.
type record struct {
	length int64
	sum    uint32
}

// Next returns the next payload, which is valid until the next call. At the end of
// the last whole record it returns io.EOF, whatever part of a record follows.
func (s *Scanner) Next() ([]byte, error) {
	h, err := s.header()
	if err != nil {
		return nil, err
	}
	if int64(cap(s.payload)) < h.length {
		s.payload = make([]byte, h.length)
	}
	s.payload = s.payload[:h.length]
	if err := s.read(s.payload); err != nil {
		return nil, err
	}
	return s.payload, s.whole(h, crc32.Checksum(s.payload, Castagnoli))
}

// header reads that of the next record. Its payload is there, whatever it is.
func (s *Scanner) header() (record, error) {
	var h [RecordHeader]byte
	if s.left < RecordHeader {
		return record{}, io.EOF
	}
	if err := s.read(h[:]); err != nil {
		return record{}, err
	}
	if crc32.Checksum(h[:4], Castagnoli) != binary.LittleEndian.Uint32(h[4:]) {
		return record{}, fmt.Errorf("%w: the length of the record at offset %d", ErrCorrupt, s.End)
	}
	r := record{int64(binary.LittleEndian.Uint32(h[0:])), binary.LittleEndian.Uint32(h[8:])}
	if r.length > s.left {
		return record{}, io.EOF // cut short
	}
	return r, nil
}

// check is Next without the payload, which may take gigabytes.
func (s *Scanner) check(h record) error {
	sum := crc32.New(Castagnoli)
	n, err := io.CopyN(sum, s.r, h.length)
	s.left -= n
	if err != nil {
		return shrank(err)
	}
	return s.whole(h, sum.Sum32())
}

// whole ends a record whose payload has that sum.
func (s *Scanner) whole(h record, sum uint32) error {
	if sum != h.sum {
		return fmt.Errorf("%w: the record at offset %d", ErrCorrupt, s.End)
	}
	s.End += RecordHeader + h.length
	return nil
}

func (s *Scanner) read(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.left -= int64(n)
	return shrank(err)
}

// shrank makes an error of a file that ends sooner than it did.
func shrank(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file shrank while it was read", ErrTruncated)
	}
	return err
}
