package fdstore

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// appendRights appends a control message that carries fds (SCM_RIGHTS) to b, which is
// empty, and nothing if there are none. It is unix.UnixRights for a buffer that is
// there already.
func appendRights(b []byte, fds []int) []byte {
	if len(fds) == 0 {
		return b
	}
	size := unix.CmsgSpace(4 * len(fds))
	if cap(b) < size {
		b = make([]byte, unix.CmsgSpace(4*maxFDs))
	}
	b = b[:size]
	header := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	header.Level, header.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
	header.SetLen(unix.CmsgLen(4 * len(fds)))
	for i, fd := range fds {
		*(*int32)(unsafe.Pointer(&b[unix.CmsgLen(4*i)])) = int32(fd)
	}
	return b
}
