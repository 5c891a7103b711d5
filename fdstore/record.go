package fdstore

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
const recordHeader = 12

// appendRecord appends the record of that payload to b.
func appendRecord(b, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// recordScanner reads records one after the other.
type recordScanner struct {
	r       *bufio.Reader
	left    int64 // bytes in r
	end     int64 // of the last whole record, from where the scan began
	payload []byte
}

func newRecordScanner(r io.Reader, size int64) *recordScanner {
	return &recordScanner{r: bufio.NewReaderSize(r, 64<<10), left: size}
}

// next returns the next payload, which is valid until the next call. At the end of
// the last whole record it returns io.EOF, whatever part of a record follows.
func (s *recordScanner) next() ([]byte, error) {
	var h [recordHeader]byte
	if s.left < recordHeader {
		return nil, io.EOF
	}
	if err := s.read(h[:]); err != nil {
		return nil, err
	}
	if crc32.Checksum(h[:4], castagnoli) != binary.LittleEndian.Uint32(h[4:]) {
		return nil, fmt.Errorf("%w: the length of the record at offset %d", ErrCorrupt, s.end)
	}
	length := int64(binary.LittleEndian.Uint32(h[0:]))
	if length > s.left {
		return nil, io.EOF // cut short
	}
	if int64(cap(s.payload)) < length {
		s.payload = make([]byte, length)
	}
	s.payload = s.payload[:length]
	if err := s.read(s.payload); err != nil {
		return nil, err
	}
	if crc32.Checksum(s.payload, castagnoli) != binary.LittleEndian.Uint32(h[8:]) {
		return nil, fmt.Errorf("%w: the record at offset %d", ErrCorrupt, s.end)
	}
	s.end += recordHeader + length
	return s.payload, nil
}

func (s *recordScanner) read(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.left -= int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the file shrank while it was read", ErrTruncated)
	}
	return err
}
