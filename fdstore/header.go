package fdstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// castagnoli is CRC-32C. It guards against mistakes: a write cut short, a foreign
// file, a bug. It finds every burst of up to 32 bits, processors compute it at
// memory speed, and nothing stronger would help: whoever could forge a checksum here
// could also write to the process's memory.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The first bytes of a memory file of this package. Byte order is little-endian.
//
//	 0  magic      8 bytes: "INSTARBL" or "INSTARJL"
//	 8  format     uint16: how the rest of the file is laid out
//	10  size       uint16: of the header, so that later formats can add to it
//	12  schema     uint32: the application's; opaque here
//	16  length     uint64: blob: of the payload; journal: 0
//	24  checksum   uint32: blob: CRC-32C of the payload; journal: 0
//	28  check      uint32: CRC-32C of the 28 bytes before
//
// Magic, format and size stay where they are in every later format.
const (
	headerSize    = 32
	formatVersion = 1

	magicBlob    = "INSTARBL"
	magicJournal = "INSTARJL"
)

type header struct {
	magic    string
	format   uint16
	schema   uint32
	length   uint64
	checksum uint32
}

func (h header) encode() [headerSize]byte {
	var b [headerSize]byte
	copy(b[:8], h.magic)
	binary.LittleEndian.PutUint16(b[8:], formatVersion)
	binary.LittleEndian.PutUint16(b[10:], headerSize)
	binary.LittleEndian.PutUint32(b[12:], h.schema)
	binary.LittleEndian.PutUint64(b[16:], h.length)
	binary.LittleEndian.PutUint32(b[24:], h.checksum)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	return b
}

// decodeHeader reads the header at the start of b, which holds the file's first
// bytes, headerSize of them or all there are. name is for errors.
func decodeHeader(b []byte, magic, name string) (header, error) {
	if len(b) == 0 {
		return header{}, fmt.Errorf("%w: %s is empty", ErrTruncated, name)
	}
	if n := min(len(b), len(magic)); string(b[:n]) != magic[:n] {
		return header{}, fmt.Errorf("%w: %s does not begin with %q", ErrForeign, name, magic)
	}
	if len(b) < 12 {
		return header{}, fmt.Errorf("%w: %s ends within its header", ErrTruncated, name)
	}
	// The format comes before everything that depends on it.
	if format := binary.LittleEndian.Uint16(b[8:]); format > formatVersion {
		return header{}, &VersionError{Name: name, Found: uint32(format), Known: formatVersion, Err: ErrNewerFormat}
	}
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: %s ends within its header", ErrTruncated, name)
	}
	h := header{
		magic:    magic,
		format:   binary.LittleEndian.Uint16(b[8:]),
		schema:   binary.LittleEndian.Uint32(b[12:]),
		length:   binary.LittleEndian.Uint64(b[16:]),
		checksum: binary.LittleEndian.Uint32(b[24:]),
	}
	size := binary.LittleEndian.Uint16(b[10:])
	if crc32.Checksum(b[:28], castagnoli) != binary.LittleEndian.Uint32(b[28:]) || size != headerSize || h.format == 0 {
		return header{}, fmt.Errorf("%w: the header of %s", ErrCorrupt, name)
	}
	return h, nil
}
