package activation

import "os"

// File returns the descriptor of that name as a file: a FIFO, a special or
// regular file, a netlink socket, a message queue, or anything else that is
// neither for [Set.Listener] nor for [Set.PacketConn]. Except for special and
// regular files, Read, Write and deadlines go through Go's poller.
//
// A message queue is not read with Read: call mq_timedreceive(2) through
// SyscallConn. Never call Fd.
//
// The caller closes the file; the descriptor stays open in the Set, and shares
// the file offset with it. Errors are those of [Set.Listener].
func (s *Set) File(name string, checks ...Check) (*os.File, error) {
	return getOne(s, request{getter: asFile, wanted: name, checks: checks}, openFile)
}

// Files is [Set.File] for a name that one descriptor or more may have; in their
// order. On an error it returns no file at all.
func (s *Set) Files(name string, checks ...Check) ([]*os.File, error) {
	return get(s, request{getter: asFile, many: true, wanted: name, checks: checks}, openFile)
}

// openFile makes a file of fd, which it takes ownership of.
func openFile(fd int, kind fdKind, name string) (*os.File, error) {
	if kind == kindSpecial || kind == kindOther {
		// A file that cannot be polled would answer EAGAIN where the program
		// expects to wait, so it stays as its maker opened it.
		return os.NewFile(uintptr(fd), name), nil
	}
	return nonblockingFile(fd, name)
}
