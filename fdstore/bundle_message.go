package fdstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/instar-project/instar/internal/memfile"
)

// ID names a descriptor in a bundle. IDs are positive, and no two of one bundle's
// descriptors have the same as long as either is in it.
type ID uint64

// MaxLabel is the length of the longest label, in bytes.
const MaxLabel = 1024

// opKind is the kind of an op. The numbers are part of the format.
type opKind uint8

const (
	opAdd    opKind = 1 // a descriptor is in the bundle; the message carries it
	opRemove opKind = 2 // a tombstone: it is not any more
	opLabel  opKind = 3 // it has another label
)

// op is one line of a bundle's log. A message holds one or many.
type op struct {
	kind  opKind
	id    ID
	label []byte // of opAdd and opLabel
	entry *entry // its subject, if that is known; of an opAdd it has the label already
}

// A message is a datagram in a bundle's queue:
//
//	 0  magic   4 bytes: "IBQ" and the format
//	 4  sum     uint32: CRC-32C of everything after it
//	 8  seq     uint64: position in the bundle's log
//	16  adds    uint16: how many opAdds the body has, each with a descriptor
//	18  flags   uint16: flagTable
//
// then the body: its ops. With flagTable the body is the payload of a blob, which is
// the first descriptor of the message: so a message of 252 long labels takes no more of the
// socket's send buffer than one of one short label, and a queue holds 252 times as many.
//
// An op is its kind, its ID as a uvarint, and for opAdd and opLabel the label's
// length as a uvarint and the label. The descriptors are those of the opAdds, in order.
const (
	messageMagic  = "IBQ\x01"
	messageHeader = 20
	flagTable     = 1

	// maxInline is the longest body in the datagram: any single op. A datagram of up
	// to 192 bytes takes the least of the send buffer that any takes.
	maxInline   = MaxLabel + 1 + 2*binary.MaxVarintLen64
	smallInline = 192 - messageHeader

	tableSchema = 1 // of the blob; the format of its payload
)

type messageHead struct {
	seq   uint64
	adds  int
	table bool
}

// appendMessage appends a datagram to b. body is nil if it is in a table.
func appendMessage(b []byte, m messageHead, body []byte) []byte {
	start := len(b)
	b = append(b, messageMagic...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, m.seq)
	b = binary.LittleEndian.AppendUint16(b, uint16(m.adds))
	var flags uint16
	if m.table {
		flags |= flagTable
	}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = append(b, body...)
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], memfile.Castagnoli))
	return b
}

// decodeMessage takes a datagram apart. The body is nil if it is in a table.
func decodeMessage(b []byte) (messageHead, []byte, error) {
	if len(b) < 4 || string(b[:3]) != messageMagic[:3] {
		return messageHead{}, nil, fmt.Errorf("%w: a message that does not begin with %q", memfile.ErrForeign, messageMagic[:3])
	}
	if b[3] > messageMagic[3] {
		return messageHead{}, nil, memfile.Newer("bundle", "format", uint32(b[3]), uint32(messageMagic[3]))
	}
	if len(b) < messageHeader {
		return messageHead{}, nil, fmt.Errorf("%w: a message of %d bytes", memfile.ErrTruncated, len(b))
	}
	if crc32.Checksum(b[8:], memfile.Castagnoli) != binary.LittleEndian.Uint32(b[4:]) || b[3] != messageMagic[3] {
		return messageHead{}, nil, fmt.Errorf("%w: a message does not match its checksum", ErrCorrupt)
	}
	flags := binary.LittleEndian.Uint16(b[18:])
	m := messageHead{
		seq:   binary.LittleEndian.Uint64(b[8:]),
		adds:  int(binary.LittleEndian.Uint16(b[16:])),
		table: flags == flagTable,
	}
	if flags&^flagTable != 0 || m.table && len(b) > messageHeader {
		return messageHead{}, nil, fmt.Errorf("%w: a message has flags %#x and a body of %d bytes", ErrCorrupt, flags, len(b)-messageHeader)
	}
	if m.table {
		return m, nil, nil
	}
	return m, b[messageHeader:], nil
}

// messageSeq is the seq of a datagram of which b holds the first bytes, or 0.
func messageSeq(b []byte) uint64 {
	if len(b) < 16 {
		return 0
	}
	return binary.LittleEndian.Uint64(b[8:])
}

func appendOp(b []byte, o op) []byte {
	b = append(b, byte(o.kind))
	b = binary.AppendUvarint(b, uint64(o.id))
	if o.kind != opRemove {
		b = binary.AppendUvarint(b, uint64(len(o.label)))
		b = append(b, o.label...)
	}
	return b
}

// decodeOps takes a body apart. The labels share its memory. adds is how many
// opAdds it must have.
func decodeOps(body []byte, adds int) ([]op, error) {
	var ops []op
	for rest := body; len(rest) > 0; {
		o := op{kind: opKind(rest[0])}
		id, n := binary.Uvarint(rest[1:])
		if n <= 0 || id == 0 || o.kind < opAdd || o.kind > opLabel {
			return nil, fmt.Errorf("%w: op %d of a message", ErrCorrupt, len(ops))
		}
		o.id, rest = ID(id), rest[1+n:]
		if o.kind != opRemove {
			length, n := binary.Uvarint(rest)
			if n <= 0 || length > MaxLabel || length > uint64(len(rest)-n) {
				return nil, fmt.Errorf("%w: the label of op %d of a message", ErrCorrupt, len(ops))
			}
			o.label, rest = rest[n:n+int(length)], rest[n+int(length):]
		}
		if o.kind == opAdd {
			adds--
		}
		ops = append(ops, o)
	}
	if adds != 0 {
		return nil, fmt.Errorf("%w: a message has %d descriptors too many or too few", ErrCorrupt, adds)
	}
	return ops, nil
}
