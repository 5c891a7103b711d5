package memfile

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

func writeBlob(t testing.TB, schema uint32, chunks ...[]byte) File {
	t.Helper()
	w, err := NewWriter("test", schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if n, err := w.Write(c); n != len(c) || err != nil {
			t.Fatal(n, err)
		}
	}
	file, err := w.Blob()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// rawMemfd makes an unsealed memory file of any content.
func rawMemfd(t testing.TB, content []byte) File {
	t.Helper()
	file, err := New("raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return file
}

func contents(t testing.TB, file File) []byte {
	t.Helper()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlob(t *testing.T) {
	testkit.CheckLeaks(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*bufferSize/16)
	for _, chunks := range [][][]byte{
		nil,
		{[]byte("x")},
		{[]byte("some"), nil, []byte("thing")},
		{big},
		{[]byte("before"), big, []byte("after")},
		{big[:bufferSize], big[:1], big[:bufferSize-1], big[:bufferSize+1]},
	} {
		want := bytes.Join(chunks, nil)
		file := writeBlob(t, 7, chunks...)
		if _, err := unix.Seek(int(file), 5, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		h, err := OpenBlob(file, "test", 7)
		if err != nil {
			t.Fatal(err)
		}
		b := h.Payload(file)
		if h.Schema != 7 || b.Size() != int64(len(want)) {
			t.Errorf("schema %d, size %d", h.Schema, b.Size())
		}
		if err := iotest.TestReader(b, want); err != nil {
			t.Error(err)
		}
		if at, _ := unix.Seek(int(file), 0, io.SeekCurrent); at != 5 {
			t.Errorf("the shared offset was moved to %d", at)
		}
		if _, err := unix.Pwrite(int(file), []byte("!"), 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("a sealed blob could be written: %v", err)
		}
		if err := unix.Ftruncate(int(file), 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("a sealed blob could be truncated: %v", err)
		}
		file.Close()
	}
}

func TestBlobErrors(t *testing.T) {
	testkit.CheckLeaks(t)
	fd := writeBlob(t, 3, []byte("the payload"))
	good := contents(t, fd)
	fd.Close()
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	newer := Header{magic: magicBlob, Schema: 3}.encode()
	newer[8] = formatVersion + 1
	for _, c := range []struct {
		name    string
		content []byte
		want    error
	}{
		{"good", good, nil},
		{"empty", nil, ErrTruncated},
		{"half a header", good[:headerSize/2], ErrTruncated},
		{"header only", good[:headerSize], ErrTruncated},
		{"one byte short", good[:len(good)-1], ErrTruncated},
		{"one byte more", append(bytes.Clone(good), 0), ErrCorrupt},
		{"payload flipped", change(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), ErrCorrupt},
		{"length flipped", change(func(b []byte) []byte { b[16] ^= 1; return b }), ErrCorrupt},
		{"foreign", []byte("#!/bin/sh\necho a rather long script of somebody else\n"), ErrForeign},
		{"short and foreign", []byte("x"), ErrForeign},
		{"a journal", change(func(b []byte) []byte { copy(b, magicJournal); return b }), ErrForeign},
		{"newer format", newer[:], ErrNewer},
		{"newer format, other header", newer[:12], ErrNewer},
	} {
		file := rawMemfd(t, c.content)
		_, err := OpenBlob(file, "test", 3)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if c.want != nil && c.want != ErrNewer && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v is no ErrCorrupt", c.name, err)
		}
		if err != nil && !strings.Contains(err.Error(), "test") {
			t.Errorf("%s: %v does not name the blob", c.name, err)
		}
		if len(c.content) > 0 && !bytes.Equal(contents(t, file), c.content) {
			t.Errorf("%s: reading has changed it", c.name)
		}
		file.Close()
	}
	newest := writeBlob(t, 4)
	defer newest.Close()
	if _, err := OpenBlob(newest, "test", 3); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "newer schema: it has version 4, this program reads up to 3") {
		t.Errorf("newer schema: %v", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if _, err := OpenBlob(File(pipe[0]), "test", 3); !errors.Is(err, ErrForeign) {
		t.Errorf("a pipe: %v", err)
	}
}

func TestWriterIsDone(t *testing.T) {
	testkit.CheckLeaks(t)
	w, err := NewWriter("test", 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Abort succeeded")
	}
	if _, err := w.Blob(); err == nil {
		t.Error("Blob after Abort succeeded")
	}
}

func FuzzOpenBlob(f *testing.F) {
	file := writeBlob(f, 1, []byte("the payload"))
	good := contents(f, file)
	file.Close()
	f.Add(good)
	f.Add(good[:headerSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		file := rawMemfd(t, content)
		defer file.Close()
		h, err := OpenBlob(file, "fuzz", 1)
		if err != nil {
			return
		}
		payload, err := io.ReadAll(h.Payload(file))
		if err != nil || !bytes.Equal(payload, content[headerSize:]) {
			t.Errorf("accepted, and read as %q, %v", payload, err)
		}
	})
}
