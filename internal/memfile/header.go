package memfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Castagnoli is CRC-32C, the checksum of all that is stored. It guards against mistakes: a write cut short, a foreign
// file, a bug. It finds every burst of up to 32 bits, processors compute it at
// memory speed, and nothing stronger would help: a process that can forge a checksum here
// can also write to the memory of the service.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The first bytes of a memory file of this package. Byte order is little-endian.
//
//	 0  magic      8 bytes: "INSTARBL" or "INSTARJL"
//	 8  format     uint16: how the rest of the file is laid out
//	10  size       uint16: of the header, so that later formats can add to it
//	12  schema     uint32: the application's; opaque here
//	16  length     uint64: of the payload: the value, or the snapshot of a journal
//	24  checksum   uint32: CRC-32C of the payload
//	28  check      uint32: CRC-32C of the 28 bytes before
//
// Magic, format and size stay where they are in every later format.
const (
	headerSize    = 32
	formatVersion = 1

	magicBlob    = "INSTARBL"
	magicJournal = "INSTARJL"
)

// Header is the start of a file: the kind of its contents, and their size.
type Header struct {
	magic    string
	format   uint16
	Schema   uint32
	Length   uint64
	Checksum uint32
}

// Payload is the value, or the snapshot of a journal.
func (h Header) Payload(file io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(file, headerSize, int64(h.Length))
}

// End is the offset behind the payload.
func (h Header) End() int64 { return headerSize + int64(h.Length) }

func (h Header) encode() [headerSize]byte {
	var b [headerSize]byte
	copy(b[:8], h.magic)
	binary.LittleEndian.PutUint16(b[8:], formatVersion)
	binary.LittleEndian.PutUint16(b[10:], headerSize)
	binary.LittleEndian.PutUint32(b[12:], h.Schema)
	binary.LittleEndian.PutUint64(b[16:], h.Length)
	binary.LittleEndian.PutUint32(b[24:], h.Checksum)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], Castagnoli))
	return b
}

// decodeHeader reads the header at the start of b, which holds the file's first
// bytes, headerSize of them or all there are. name is for errors.
func decodeHeader(b []byte, magic, name string) (Header, error) {
	if len(b) == 0 {
		return Header{}, fmt.Errorf("%w: %s is empty", ErrTruncated, name)
	}
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return Header{}, fmt.Errorf("%w: %s does not begin with %q", ErrForeign, name, magic)
	}
	if len(b) < 12 {
		return Header{}, fmt.Errorf("%w: %s ends within its header", ErrTruncated, name)
	}
	// The format comes before everything that depends on it.
	if format := binary.LittleEndian.Uint16(b[8:]); format > formatVersion {
		return Header{}, Newer(name, "format", uint32(format), formatVersion)
	}
	if len(b) < headerSize {
		return Header{}, fmt.Errorf("%w: %s ends within its header", ErrTruncated, name)
	}
	h := Header{
		magic:    magic,
		format:   binary.LittleEndian.Uint16(b[8:]),
		Schema:   binary.LittleEndian.Uint32(b[12:]),
		Length:   binary.LittleEndian.Uint64(b[16:]),
		Checksum: binary.LittleEndian.Uint32(b[24:]),
	}
	size := binary.LittleEndian.Uint16(b[10:])
	if crc32.Checksum(b[:28], Castagnoli) != binary.LittleEndian.Uint32(b[28:]) || size != headerSize || h.format == 0 {
		return Header{}, fmt.Errorf("%w: the header of %s", ErrCorrupt, name)
	}
	return h, nil
}

func readHeader(file io.ReaderAt, magic, name string) (Header, error) {
	var b [headerSize]byte
	n, err := file.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	return decodeHeader(b[:n], magic, name)
}

// checkPayload compares the payload with its checksum.
func checkPayload(file io.ReaderAt, h Header, name string) error {
	sum := crc32.New(Castagnoli)
	if _, err := io.Copy(sum, h.Payload(file)); err != nil {
		return err
	}
	if sum.Sum32() != h.Checksum {
		return fmt.Errorf("%w: the payload of %q does not match its checksum", ErrCorrupt, name)
	}
	return nil
}
