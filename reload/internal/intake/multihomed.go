package intake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Multihomed returns conn, a *net.UDPConn or one of PacketConn, as one whose answers leave
// from the address that was asked; see Multihomed of package reload.
func Multihomed(conn net.PacketConn) (net.PacketConn, error) {
	pc, ok := conn.(packetInfoConn)
	if !ok {
		return nil, fmt.Errorf("reload: Multihomed takes a UDP socket, not a %T", conn)
	}
	if err := askForPacketInfo(pc); err != nil {
		return nil, fmt.Errorf("reload: Multihomed: %w", err)
	}
	return &multihomed{pc}, nil
}

// packetInfoConn is what a *net.UDPConn has, and what a Service hands out in its place.
type packetInfoConn interface {
	net.PacketConn
	syscall.Conn
	ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error)
	WriteMsgUDP(b, oob []byte, addr *net.UDPAddr) (n, oobn int, err error)
}

// askForPacketInfo makes the kernel tell with each datagram which address it was sent to.
func askForPacketInfo(pc packetInfoConn) error {
	raw, err := pc.SyscallConn()
	if err != nil {
		return err
	}
	var err4, err6 error
	err = raw.Control(func(fd uintptr) {
		// A socket for both families needs both, and one for IPv4 alone has no second.
		err4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		err6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err == nil && err4 != nil && err6 != nil {
		err = os.NewSyscallError("setsockopt", errors.Join(err4, err6))
	}
	return err
}

type multihomed struct{ packetInfoConn }

// An Asker is the sender of a datagram, and remembers the address that was asked.
type Asker struct {
	*net.UDPAddr
	answer []byte // the control message that makes an answer leave from the address asked
}

func (m *multihomed) ReadFrom(p []byte) (int, net.Addr, error) {
	oob := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo)+unix.CmsgSpace(unix.SizeofInet6Pktinfo))
	n, oobn, _, from, err := m.ReadMsgUDP(p, oob)
	if err != nil {
		return n, nil, err
	}
	return n, &Asker{from, answering(oob[:oobn])}, nil
}

func (m *multihomed) WriteTo(p []byte, to net.Addr) (int, error) {
	a, ok := to.(*Asker)
	if !ok {
		return m.packetInfoConn.WriteTo(p, to)
	}
	n, _, err := m.WriteMsgUDP(p, a.answer, a.UDPAddr)
	return n, err
}

// answering makes of a datagram's control messages that of its answer: nil if the
// kernel is to choose the address, as for one that was sent to a group.
func answering(oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var answer []byte
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			// The kernel names an address to answer from, for broadcasts too; but not for a
			// datagram that was there before it was asked to, such as the one for which
			// systemd starts a service.
			asked := netip.AddrFrom4([4]byte(m.Data[4:8]))
			if asked.IsUnspecified() {
				asked = netip.AddrFrom4([4]byte(m.Data[8:12]))
			}
			if asked.IsMulticast() || asked == broadcast {
				return nil
			}
			// On a socket for both families it says the same as IPv6 has before.
			return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: asked.As4()})
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			asked := netip.AddrFrom16([16]byte(m.Data[:16]))
			if asked.IsMulticast() {
				continue
			}
			info := unix.Inet6Pktinfo{Addr: asked.As16()}
			if asked.IsLinkLocalUnicast() {
				info.Ifindex = binary.NativeEndian.Uint32(m.Data[16:])
			}
			answer = unix.PktInfo6(&info)
		}
	}
	return answer
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
