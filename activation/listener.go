package activation

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Listener returns the listening socket of that name: a [*net.TCPListener], a
// [*net.UnixListener] (network "unix" or "unixpacket"), or a listener over vsock,
// whose addresses are [*VSOCKAddr]. Each has SetDeadline(time.Time) error, which
// stops and starts accepting without closing, and is a [syscall.Conn].
//
// The caller closes the listener; the socket stays open in the Set, and its queue
// of connections stays as it is. Closing does not unlink the path of a Unix socket,
// which is systemd's.
//
// Errors: [ErrNotActivated], [ErrMissing], [ErrDuplicate] (use [Set.Listeners]),
// [ErrWrongType], [ErrAcceptYes], [ErrInvalidName], [ErrClosed], the error of a
// Check or of a system call; always an [*Error].
func (s *Set) Listener(name string, checks ...Check) (net.Listener, error) {
	return getOne(s, request{getter: asListener, wanted: name, checks: checks}, openListener)
}

// Listeners is [Set.Listener] for a name that one socket or more may have, as when
// a .socket unit has several lines of ListenStream=; in their order. Every check
// must hold for every socket. On an error it returns no listener at all.
func (s *Set) Listeners(name string, checks ...Check) ([]net.Listener, error) {
	return get(s, request{getter: asListener, many: true, wanted: name, checks: checks}, openListener)
}

// openListener makes a listener of fd, which it takes ownership of.
func openListener(fd int, kind fdKind, name string) (net.Listener, error) {
	file, err := nonblockingFile(fd, name)
	if err != nil {
		return nil, err
	}
	if kind == kindVSOCK {
		return newVSOCKListener(file)
	}
	// FileListener duplicates once more.
	defer file.Close()
	return net.FileListener(file)
}

// nonblockingFile makes a file of fd that Go's poller waits for; it takes
// ownership of fd.
//
// systemd's sockets are non-blocking already, others may not be. The order
// matters: the flag is shared with every process that has the socket, and of a
// descriptor that is non-blocking before os.NewFile sees it, File.Fd (which
// package net calls) leaves the flag alone. A moment of blocking mode would be
// enough to hang an accept of another generation.
func nonblockingFile(fd int, name string) (*os.File, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set O_NONBLOCK: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
