package activation

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socketInfo is the kernel's information about a descriptor. The fields below mode
// are for sockets only.
type socketInfo struct {
	mode  uint32 // file type bits of fstat(2)
	queue bool   // a POSIX message queue

	domain    int // SO_DOMAIN
	typ       int // SO_TYPE
	protocol  int // SO_PROTOCOL
	listening bool
	connected bool
	local     address
}

// inspect asks the kernel about fd, which it borrows.
func inspect(fd int) (socketInfo, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return socketInfo{}, os.NewSyscallError("fstat", err)
	}
	info := socketInfo{mode: stat.Mode & unix.S_IFMT}
	switch info.mode {
	case unix.S_IFSOCK:
		return info, info.inspectSocket(fd)
	case unix.S_IFREG:
		// A queue is a regular file of a file system of its own.
		var fs unix.Statfs_t
		if err := unix.Fstatfs(fd, &fs); err != nil {
			return socketInfo{}, os.NewSyscallError("fstatfs", err)
		}
		const mqueueMagic = 0x19800202 // MQUEUE_MAGIC of the kernel's ipc/mqueue.c
		info.queue = fs.Type == mqueueMagic
	}
	return info, nil
}

func (i *socketInfo) inspectSocket(fd int) error {
	var listening int
	for _, o := range []struct {
		name  string
		opt   int
		value *int
	}{
		{"SO_DOMAIN", unix.SO_DOMAIN, &i.domain},
		{"SO_TYPE", unix.SO_TYPE, &i.typ},
		{"SO_PROTOCOL", unix.SO_PROTOCOL, &i.protocol},
		{"SO_ACCEPTCONN", unix.SO_ACCEPTCONN, &listening},
	} {
		var err error
		if *o.value, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.opt); err != nil {
			return fmt.Errorf("getsockopt %s: %w", o.name, err)
		}
	}
	i.listening = listening != 0
	if i.domain != unix.AF_NETLINK { // any netlink socket has a "peer": the kernel
		_, err := unix.Getpeername(fd)
		i.connected = err == nil
	}
	// An address family x/sys does not know has no address here; its kind is Other.
	if sa, err := unix.Getsockname(fd); err == nil {
		i.local = addressOf(sa)
	}
	return nil
}

// kind maps the kernel's information to a Kind.
func (i socketInfo) kind() fdKind {
	switch i.mode {
	case unix.S_IFSOCK:
		return i.socketKind()
	case unix.S_IFIFO:
		return kindFIFO
	case unix.S_IFCHR, unix.S_IFREG:
		if i.queue {
			return kindMessageQueue
		}
		return kindSpecial
	}
	return kindOther
}

func (i socketInfo) socketKind() fdKind {
	inet := i.domain == unix.AF_INET || i.domain == unix.AF_INET6
	stream, seqpacket := i.typ == unix.SOCK_STREAM, i.typ == unix.SOCK_SEQPACKET
	switch {
	case i.domain == unix.AF_NETLINK:
		return kindNetlink
	case (stream || seqpacket) && i.connected:
		return kindConnection
	case inet && stream && i.listening && (i.protocol == unix.IPPROTO_TCP || i.protocol == unix.IPPROTO_MPTCP):
		return kindTCP
	case i.domain == unix.AF_UNIX && stream && i.listening:
		return kindUnix
	case i.domain == unix.AF_UNIX && seqpacket && i.listening:
		return kindUnixPacket
	case i.domain == unix.AF_VSOCK && stream && i.listening:
		return kindVSOCK
	case inet && i.typ == unix.SOCK_DGRAM && (i.protocol == unix.IPPROTO_UDP || i.protocol == unix.IPPROTO_UDPLITE):
		return kindUDP
	case i.domain == unix.AF_UNIX && i.typ == unix.SOCK_DGRAM:
		return kindUnixgram
	}
	return kindOther
}

// describe is the descriptor in words: "a TCP listener on 127.0.0.1:80".
func (i socketInfo) describe() string {
	noun := i.kind().String()
	if i.kind() == kindOther {
		noun = i.describeOther()
	}
	if i.mode != unix.S_IFSOCK || i.local.text == "" {
		return noun
	}
	return noun + " on " + i.local.text
}

func (i socketInfo) describeOther() string {
	switch {
	case i.mode == unix.S_IFDIR:
		return "a directory"
	case i.mode == unix.S_IFBLK:
		return "a block device"
	case i.mode != unix.S_IFSOCK:
		return "an anonymous descriptor (an eventfd, a pidfd, …)"
	case i.protocol == unix.IPPROTO_SCTP:
		return "an SCTP socket"
	case !i.listening && (i.typ == unix.SOCK_STREAM || i.typ == unix.SOCK_SEQPACKET):
		return "a socket that neither listens nor is connected"
	}
	return fmt.Sprintf("a socket of domain %d, type %d, protocol %d", i.domain, i.typ, i.protocol)
}
