package fdstore

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// newMemfd makes an anonymous file that can be sealed. The name is what
// /proc/PID/fd shows and has no other meaning.
func newMemfd(name string) (int, error) {
	name = "instar:" + name
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// MFD_NOEXEC_SEAL: nobody can make a program of stored state. Linux 6.3.
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	return fd, nil
}

// A memfd is an open memory file, read and written at explicit offsets: systemd
// and other processes share the file offset, so that it must not mean anything.
type memfd int

func (m memfd) ReadAt(p []byte, off int64) (int, error) {
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

func (m memfd) WriteAt(p []byte, off int64) (int, error) {
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

// size is an [ErrForeign] if the descriptor is no regular file.
func (m memfd) size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(m), &st); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("%w: descriptor %d is no memory file", ErrForeign, int(m))
	}
	return st.Size, nil
}

func (m memfd) seal(seals int) error {
	if _, err := unix.FcntlInt(uintptr(m), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("F_ADD_SEALS: %w", err)
	}
	return nil
}

// duplicate is how every descriptor of this package is copied: the copy does not
// pass to programs that the process starts.
func duplicate(fd int) (int, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if errors.Is(err, unix.EMFILE) {
		return -1, fmt.Errorf("duplicate descriptor %d: %w: raise LimitNOFILE=", fd, err)
	}
	if err != nil {
		return -1, fmt.Errorf("duplicate descriptor %d: %w", fd, err)
	}
	return dup, nil
}
