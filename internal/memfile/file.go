package memfile

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// New makes an anonymous file that can be sealed. The name shows in
// /proc/PID/fd and has no other meaning.
func New(name string) (File, error) {
	name = "instar:" + name
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// MFD_NOEXEC_SEAL: stored state can never be executed. Linux 6.3.
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	return File(fd), nil
}

// A File is the descriptor of a memory file, read and written at explicit offsets: systemd
// and other processes share the file offset, so that it must not mean anything.
type File int

func (m File) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		k, err := unix.Pread(int(m), p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, fmt.Errorf("pread: %w", err)
		case k == 0:
			return n, io.EOF
		default:
			n += k
		}
	}
	return n, nil
}

func (m File) WriteAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		k, err := unix.Pwrite(int(m), p[n:], off+int64(n))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return n, fmt.Errorf("pwrite: %w", err)
		case k == 0: // does not happen to a memory file; never loop on it
			return n, io.ErrShortWrite
		default:
			n += k
		}
	}
	return n, nil
}

// Size is an [ErrForeign] if the descriptor is no regular file.
func (m File) Size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(m), &st); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("%w: descriptor %d is no memory file", ErrForeign, int(m))
	}
	return st.Size, nil
}

// Seal adds seals, see F_ADD_SEALS in fcntl(2).
func (m File) Seal(seals int) error {
	if _, err := unix.FcntlInt(uintptr(m), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("F_ADD_SEALS: %w", err)
	}
	return nil
}

// Close closes the descriptor.
func (m File) Close() error { return unix.Close(int(m)) }
