package fdstore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// journalFile is the content of a journal with a snapshot, records, and rest after them.
func journalFile(t testing.TB, schema uint32, snapshot string, records []string, rest ...byte) []byte {
	t.Helper()
	w, err := NewBlobWriter("test", schema)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte(snapshot)); err != nil {
		t.Fatal(err)
	}
	if err := w.complete(magicJournal); err != nil {
		t.Fatal(err)
	}
	b := contents(t, int(w.file))
	for _, r := range records {
		b = appendRecord(b, []byte(r))
	}
	return append(b, rest...)
}

func blobFile(t testing.TB, schema uint32, payload string) []byte {
	t.Helper()
	fd := writeBlob(t, schema, []byte(payload))
	defer unix.Close(fd)
	return contents(t, fd)
}

func TestInspect(t *testing.T) {
	noLeaks(t)
	blob := blobFile(t, 7, "state")
	journal := journalFile(t, 3, "snap", []string{"a", "bcd"}, 1, 2, 3)
	for _, c := range []struct {
		what string
		file []byte
		want Contents
		err  error
	}{
		{what: "a blob", file: blob, want: Contents{Kind: KindBlob, Schema: 7, Bytes: 5}},
		{what: "an empty blob", file: blobFile(t, 0, ""), want: Contents{Kind: KindBlob}},
		{what: "a journal, and a record being written", file: journal, want: Contents{Kind: KindJournal, Schema: 3, Bytes: 4, Records: 2, RecordBytes: 4, Torn: 3}},
		{what: "a new journal", file: journalFile(t, 1, "", nil), want: Contents{Kind: KindJournal, Schema: 1}},
		{what: "nothing", err: ErrTruncated},
		{what: "something else", file: []byte("#!/bin/sh, and more than a header of it"), err: ErrForeign},
		{what: "half a blob", file: blob[:len(blob)-2], err: ErrTruncated},
		{what: "more than a blob", file: append(bytes.Clone(blob), 0), err: ErrCorrupt},
		{what: "another payload", file: append(bytes.Clone(blob[:len(blob)-1]), 'E'), err: ErrCorrupt},
		{what: "another snapshot", file: bytes.Replace(journal, []byte("snap"), []byte("snip"), 1), err: ErrCorrupt},
		{what: "another record", file: bytes.Replace(journal, []byte("bcd"), []byte("bad"), 1), err: ErrCorrupt},
	} {
		got, err := Inspect(bytes.NewReader(c.file), int64(len(c.file)), "it")
		if got != c.want || !errors.Is(err, c.err) || (err != nil) != (c.err != nil) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.what, got, err, c.want, c.err)
		}
		if err != nil && !strings.Contains(err.Error(), `"it"`) {
			t.Errorf("%s: %v does not name it", c.what, err)
		}
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(blobFile(f, 7, "state"))
	f.Add(journalFile(f, 3, "snap", []string{"a", "bcd"}, 1, 2, 3))
	f.Add([]byte(magicJournal))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Inspect(bytes.NewReader(b), int64(len(b)), "it")
		if err == nil && (c.Bytes < 0 || c.RecordBytes < 0 || c.Torn < 0 || headerSize+c.Bytes+c.RecordBytes+int64(c.Records)*recordHeader+c.Torn != int64(len(b))) {
			t.Errorf("%d bytes are %+v", len(b), c)
		}
	})
}
