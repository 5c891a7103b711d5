package memfile

import (
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
)

// Writer writes a file, in memory of its own. End it with [Writer.Blob],
// [Writer.Journal] or [Writer.Abort].
type Writer struct {
	file    File
	buffer  []byte // so that small writes cost no system call each
	written uint64 // bytes of the payload that are in the file
	sum     uint32
	schema  uint32
	err     error // the first one; every later call returns it
}

const bufferSize = 64 << 10

// NewWriter begins a file. The name shows in /proc/PID/fd and means nothing
// else; schema is the application's version of the payload.
func NewWriter(name string, schema uint32) (*Writer, error) {
	file, err := New(name)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file, schema: schema}, nil
}

// Write adds to the payload.
func (w *Writer) Write(p []byte) (int, error) {
	if len(w.buffer)+len(p) > bufferSize {
		w.flush()
	}
	if len(p) > bufferSize {
		w.write(p)
	} else {
		w.buffer = append(w.buffer, p...)
	}
	if w.err != nil {
		return 0, w.err
	}
	w.sum = crc32.Update(w.sum, Castagnoli, p)
	return len(p), nil
}

func (w *Writer) flush() {
	w.write(w.buffer)
	w.buffer = w.buffer[:0]
}

func (w *Writer) write(p []byte) {
	if w.err != nil {
		return
	}
	if _, err := w.file.WriteAt(p, headerSize+int64(w.written)); err != nil {
		w.err = fmt.Errorf("write: %w", err)
		return
	}
	w.written += uint64(len(p))
}

// complete writes the rest of the buffer, and then the header: without that there is
// nothing that could be taken for a file of this package.
func (w *Writer) complete(magic string) (Header, error) {
	w.flush()
	h := Header{magic: magic, format: formatVersion, Schema: w.schema, Length: w.written, Checksum: w.sum}
	if w.err == nil {
		b := h.encode()
		if _, err := w.file.WriteAt(b[:], 0); err != nil {
			w.err = fmt.Errorf("write header: %w", err)
		}
	}
	return h, w.err
}

// Blob completes the file as a blob, sealed, which is the caller's. The writer is done with, on
// error too.
func (w *Writer) Blob() (File, error) {
	_, err := w.complete(magicBlob)
	if err == nil {
		err = w.file.Seal(blobSeals)
	}
	return w.end(err)
}

// Journal completes the file as a journal, which is the caller's and is appended to by
// write(2); the payload is its snapshot. The writer is done with, on error too.
func (w *Writer) Journal() (File, Header, error) {
	h, err := w.complete(magicJournal)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(w.file), unix.F_SETFL, unix.O_RDWR|unix.O_APPEND)
	}
	file, err := w.end(err)
	return file, h, err
}

func (w *Writer) end(err error) (File, error) {
	if err != nil {
		w.Abort()
		return -1, err
	}
	w.err = errDone
	return w.file, nil
}

// Abort throws the file away. After Blob or Journal it does nothing.
func (w *Writer) Abort() {
	if w.err != errDone {
		w.err = errDone
		w.file.Close()
	}
}

var errDone = errors.New("the file is completed or aborted")
