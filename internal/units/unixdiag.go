package units

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// boundTo are the inodes of the Unix sockets of this network namespace, by the inode of
// the file that each is bound to: see sock_diag(7).
func boundTo() (map[uint32][]uint64, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	defer unix.Close(fd)
	const (
		byFamily = 20     // SOCK_DIAG_BY_FAMILY
		showFile = 1 << 1 // UDIAG_SHOW_VFS
		all      = ^uint32(0)
	)
	request := struct {
		unix.NlMsghdr
		Family, Protocol    uint8
		_                   uint16
		States, Inode, Show uint32
		Cookie              [2]uint32
	}{Family: unix.AF_UNIX, States: all, Show: showFile, Cookie: [2]uint32{all, all}}
	request.NlMsghdr = unix.NlMsghdr{
		Len: uint32(binary.Size(request)), Type: byFamily, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP,
	}
	message, err := binary.Append(nil, binary.NativeEndian, request)
	if err == nil {
		err = unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	bound := make(map[uint32][]uint64)
	buffer := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return nil, fmt.Errorf("sock_diag: %w", err)
		}
		answers, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return nil, fmt.Errorf("sock_diag: %w", err)
		}
		for _, a := range answers {
			switch a.Header.Type {
			case unix.NLMSG_DONE:
				return bound, nil
			case unix.NLMSG_ERROR:
				return nil, fmt.Errorf("sock_diag: the kernel refuses the question")
			}
			if socket, file, ok := diagOf(a.Data); ok {
				bound[file] = append(bound[file], socket)
			}
		}
	}
}

// diagOf reads a struct unix_diag_msg and, of its attributes, UNIX_DIAG_VFS; ok is false
// for a socket that is bound to no file.
func diagOf(data []byte) (socket uint64, file uint32, ok bool) {
	const header, vfs = 16, 1
	if len(data) < header {
		return 0, 0, false
	}
	socket = uint64(binary.NativeEndian.Uint32(data[4:]))
	for data = data[header:]; len(data) >= unix.SizeofNlAttr; {
		length := int(binary.NativeEndian.Uint16(data))
		if length < unix.SizeofNlAttr || length > len(data) {
			break
		}
		if binary.NativeEndian.Uint16(data[2:]) == vfs && length >= unix.SizeofNlAttr+4 {
			return socket, binary.NativeEndian.Uint32(data[unix.SizeofNlAttr:]), true
		}
		data = data[min(len(data), (length+3)&^3):]
	}
	return 0, 0, false
}
