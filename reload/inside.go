package reload

import (
	"fmt"
	"net"

	"github.com/instar-project/instar/internal/inside"

	"golang.org/x/sys/unix"
)

func init() {
	inside.Of = func(service any) inside.Service { return insider{service.(*Service)} }
}

// insider is a Service for package status.
type insider struct{ *Service }

func (s insider) StartedWith() string              { return s.launcher.note.get() }
func (s insider) SetStartedWith(text string) error { return s.launcher.note.set(text) }

func (s insider) Sockets() []inside.Socket {
	var all []inside.Socket
	for _, e := range s.sockets.Entries() {
		network, address := bound(e.FD)
		all = append(all, inside.Socket{Name: e.Name, Network: network, Address: address})
	}
	return all
}

// bound is the network and the address of a descriptor, which it borrows.
func bound(fd int) (network, address string) {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "file", ""
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return "socket", ""
	}
	var ip net.IP
	var port int
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		switch typ {
		case unix.SOCK_DGRAM:
			return "unixgram", sa.Name
		case unix.SOCK_SEQPACKET:
			return "unixpacket", sa.Name
		}
		return "unix", sa.Name
	case *unix.SockaddrVM:
		return "vsock", fmt.Sprintf("%d:%d", int32(sa.CID), sa.Port)
	case *unix.SockaddrNetlink:
		return "netlink", ""
	case *unix.SockaddrInet4:
		ip, port = sa.Addr[:], sa.Port
	case *unix.SockaddrInet6:
		ip, port = sa.Addr[:], sa.Port
	}
	switch {
	case ip == nil:
		return "socket", ""
	case typ == unix.SOCK_STREAM:
		return "tcp", (&net.TCPAddr{IP: ip, Port: port}).String()
	}
	return "udp", (&net.UDPAddr{IP: ip, Port: port}).String()
}
