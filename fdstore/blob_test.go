package fdstore

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

func writeBlob(t testing.TB, schema uint32, chunks ...[]byte) int {
	t.Helper()
	w, err := NewBlobWriter("test", schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if n, err := w.Write(c); n != len(c) || err != nil {
			t.Fatal(n, err)
		}
	}
	fd, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// rawMemfd makes an unsealed memory file of any content.
func rawMemfd(t testing.TB, content []byte) int {
	t.Helper()
	fd, err := newMemfd("raw")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := memfd(fd).WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return fd
}

func contents(t testing.TB, fd int) []byte {
	t.Helper()
	size, err := memfd(fd).size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := memfd(fd).ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlob(t *testing.T) {
	noLeaks(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), 3*blobBuffer/16)
	for _, chunks := range [][][]byte{
		nil,
		{[]byte("x")},
		{[]byte("some"), nil, []byte("thing")},
		{big},
		{[]byte("before"), big, []byte("after")},
		{big[:blobBuffer], big[:1], big[:blobBuffer-1], big[:blobBuffer+1]},
	} {
		want := bytes.Join(chunks, nil)
		fd := writeBlob(t, 7, chunks...)
		if _, err := unix.Seek(fd, 5, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		shared, _ := duplicate(fd)
		b, err := OpenBlob(fd, "test", 7)
		if err != nil {
			t.Fatal(err)
		}
		if b.Schema() != 7 || b.Size() != int64(len(want)) {
			t.Errorf("schema %d, size %d", b.Schema(), b.Size())
		}
		if err := iotest.TestReader(b, want); err != nil {
			t.Error(err)
		}
		if at, _ := unix.Seek(shared, 0, io.SeekCurrent); at != 5 {
			t.Errorf("the shared offset was moved to %d", at)
		}
		if _, err := unix.Pwrite(shared, []byte("!"), 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("a sealed blob could be written: %v", err)
		}
		if err := unix.Ftruncate(shared, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("a sealed blob could be truncated: %v", err)
		}
		unix.Close(shared)
		b.Close()
	}
}

func TestBlobErrors(t *testing.T) {
	noLeaks(t)
	fd := writeBlob(t, 3, []byte("the payload"))
	good := contents(t, fd)
	unix.Close(fd)
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	newer := header{magic: magicBlob, schema: 3}.encode()
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
		{"newer format", newer[:], ErrNewerFormat},
		{"newer format, other header", newer[:12], ErrNewerFormat},
	} {
		fd := rawMemfd(t, c.content)
		keep, _ := duplicate(fd)
		b, err := OpenBlob(fd, "test", 3)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err == nil {
			b.Close()
		} else if !strings.Contains(err.Error(), `"test"`) {
			t.Errorf("%s: %v does not name the blob", c.name, err)
		}
		if len(c.content) > 0 && !bytes.Equal(contents(t, keep), c.content) {
			t.Errorf("%s: reading has changed it", c.name)
		}
		unix.Close(keep)
	}
	_, err := OpenBlob(writeBlob(t, 4), "test", 3)
	var version *VersionError
	if !errors.As(err, &version) || !errors.Is(err, ErrNewerSchema) || version.Found != 4 || version.Known != 3 {
		t.Errorf("newer schema: %v", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBlob(pipe[0], "test", 3); !errors.Is(err, ErrForeign) {
		t.Errorf("a pipe: %v", err)
	}
	unix.Close(pipe[1])
}

func TestBlobWriterIsDone(t *testing.T) {
	noLeaks(t)
	w, err := NewBlobWriter("test", 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Abort succeeded")
	}
	if _, err := w.Seal(); err == nil {
		t.Error("Seal after Abort succeeded")
	}
}

func FuzzOpenBlob(f *testing.F) {
	fd := writeBlob(f, 1, []byte("the payload"))
	good := contents(f, fd)
	unix.Close(fd)
	f.Add(good)
	f.Add(good[:headerSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		b, err := OpenBlob(rawMemfd(t, content), "fuzz", 1)
		if err != nil {
			return
		}
		defer b.Close()
		payload, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(payload, content[headerSize:]) {
			t.Errorf("accepted, and read as %q, %v", payload, err)
		}
	})
}
