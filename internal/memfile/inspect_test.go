package memfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
)

// journalFile is the content of a journal with a snapshot, records, and rest after them.
func journalFile(t testing.TB, schema uint32, snapshot string, records []string, rest ...byte) []byte {
	t.Helper()
	w, err := NewWriter("test", schema)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte(snapshot)); err != nil {
		t.Fatal(err)
	}
	file, _, err := w.Journal()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := contents(t, file)
	for _, r := range records {
		b = AppendRecord(b, []byte(r))
	}
	return append(b, rest...)
}

func blobFile(t testing.TB, schema uint32, payload string) []byte {
	t.Helper()
	file := writeBlob(t, schema, []byte(payload))
	defer file.Close()
	return contents(t, file)
}

func TestInspect(t *testing.T) {
	testkit.CheckLeaks(t)
	blob := blobFile(t, 7, "state")
	journal := journalFile(t, 3, "snap", []string{"a", "bcd"}, 1, 2, 3)
	for _, c := range []struct {
		what string
		file []byte
		want Contents
		err  error
	}{
		{what: "a blob", file: blob, want: Contents{Schema: 7, Bytes: 5}},
		{what: "an empty blob", file: blobFile(t, 0, ""), want: Contents{}},
		{what: "a journal, and a record being written", file: journal, want: Contents{Journal: true, Schema: 3, Bytes: 4, Records: 2, RecordBytes: 4, Torn: 3}},
		{what: "a new journal", file: journalFile(t, 1, "", nil), want: Contents{Journal: true, Schema: 1}},
		{what: "nothing", err: ErrTruncated},
		{what: "something else", file: []byte("#!/bin/sh, and more than a header of it"), err: ErrForeign},
		{what: "half a blob", file: blob[:len(blob)-2], err: ErrTruncated},
		{what: "more than a blob", file: append(bytes.Clone(blob), 0), err: ErrCorrupt},
		{what: "another payload", file: append(bytes.Clone(blob[:len(blob)-1]), 'E'), err: ErrCorrupt},
		{what: "another snapshot", file: bytes.Replace(journal, []byte("snap"), []byte("snip"), 1), err: ErrCorrupt},
		{what: "another record", file: bytes.Replace(journal, []byte("bcd"), []byte("bad"), 1), err: ErrCorrupt},
	} {
		got, err := Inspect(bytes.NewReader(c.file), int64(len(c.file)), 0, "it")
		if got != c.want || !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.what, got, err, c.want, c.err)
		}
		if err != nil && !strings.Contains(err.Error(), `"it"`) {
			t.Errorf("%s: %v does not name it", c.what, err)
		}
	}
}

// sparse is a file of zeros after its first bytes. It counts the bytes that are read.
type sparse struct {
	beginning []byte
	size      int64
	read      int64
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, s.size-off)))
	clear(p[:n])
	if off < int64(len(s.beginning)) {
		copy(p[:n], s.beginning[off:])
	}
	s.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// A hostile file takes neither hours nor memory: Inspect reads no further than its
// limit.
func TestInspectWithin(t *testing.T) {
	const size, limit = 1 << 60, 1 << 20
	blob := Header{magic: magicBlob, Length: size - headerSize}.encode()
	small := Header{magic: magicJournal}.encode()
	snapshot := Header{magic: magicJournal, Length: 1 << 40}.encode()
	for _, c := range []struct {
		what string
		file sparse
		want Contents
	}{
		{"a blob", sparse{beginning: blob[:], size: size}, Contents{Bytes: size - headerSize, Unchecked: size - headerSize}},
		{"a record", sparse{beginning: append(small[:], recordOf(4<<30-1)...), size: size}, Contents{Journal: true, Unchecked: size - headerSize}},
		{"a snapshot, and records", sparse{beginning: snapshot[:], size: headerSize + 1<<40}, Contents{Journal: true, Bytes: 1 << 40, Unchecked: 1 << 40}},
	} {
		got, err := Inspect(&c.file, c.file.size, limit, "it")
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.what, got, err, c.want)
		}
		if c.file.read > 2*limit {
			t.Errorf("%s: %d bytes were read", c.what, c.file.read)
		}
	}
	two := journalFile(t, 3, "snap", []string{"a", strings.Repeat("b", limit)})
	got, err := Inspect(bytes.NewReader(two), int64(len(two)), limit, "it")
	if err != nil || got.Records != 1 || got.Unchecked != RecordHeader+limit {
		t.Errorf("a journal that is too long: %+v, %v", got, err)
	}
}

// recordOf is the header of a record of that length.
func recordOf(length uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, length)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, Castagnoli))
	return binary.LittleEndian.AppendUint32(b, 0)
}

func FuzzInspect(f *testing.F) {
	f.Add(blobFile(f, 7, "state"))
	f.Add(journalFile(f, 3, "snap", []string{"a", "bcd"}, 1, 2, 3))
	f.Add([]byte(magicJournal))
	f.Fuzz(func(t *testing.T, b []byte) {
		if part, err := Inspect(bytes.NewReader(b), int64(len(b)), 8, "it"); err == nil && (part.Unchecked < 0 || part.Unchecked > int64(len(b))) {
			t.Errorf("%d bytes are %+v in part", len(b), part)
		}
		c, err := Inspect(bytes.NewReader(b), int64(len(b)), 0, "it")
		if err == nil && (c.Bytes < 0 || c.RecordBytes < 0 || c.Torn < 0 || headerSize+c.Bytes+c.RecordBytes+int64(c.Records)*RecordHeader+c.Torn != int64(len(b))) {
			t.Errorf("%d bytes are %+v", len(b), c)
		}
	})
}
