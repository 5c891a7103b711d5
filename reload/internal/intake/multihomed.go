package intake

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A UDP socket that is bound to all addresses of a host answers from the address that
// was asked. By itself the kernel chooses the sender's address by the route, and a client
// that has asked another one drops the answer. So ReadFrom and ReadFromUDP have the kernel
// tell which address a datagram was sent to, and the sender's address that they return
// carries it to WriteTo and WriteToUDP.
//
// That address is an ordinary *net.UDPAddr: libraries assert on the type. The control
// message of its answer lies behind the bytes of its IP, within their capacity, where
// a copy of the address takes it along. Whoever makes an address of their own gets the
// kernel's choice.

// carrier tells a control message behind an IP from anything else there.
var carrier = func() (mark [16]byte) {
	_, _ = rand.Read(mark[:]) // never fails
	return mark
}()

// carry puts the control message of an answer behind the IP of its receiver.
func carry(to *net.UDPAddr, answer []byte) {
	n := len(to.IP)
	b := make([]byte, 0, n+len(carrier)+len(answer))
	b = append(b, to.IP...)
	b = append(b, carrier[:]...)
	b = append(b, answer...)
	to.IP = b[:n]
}

// carried returns the control message that is behind the IP of an address; nil: none is.
func carried(to *net.UDPAddr) []byte {
	if to == nil {
		return nil
	}
	answer, ok := bytes.CutPrefix(to.IP[len(to.IP):cap(to.IP)], carrier[:])
	if !ok {
		return nil
	}
	return answer
}

// boundToAll reports whether a socket is bound to all addresses of the host.
func boundToAll(conn *net.UDPConn) bool {
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	return ok && addr.IP.IsUnspecified()
}

// readAsked is ReadFromUDP of a socket that is bound to all addresses.
func readAsked(conn *net.UDPConn, p []byte) (int, *net.UDPAddr, error) {
	oob := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo)+unix.CmsgSpace(unix.SizeofInet6Pktinfo))
	n, oobn, _, from, err := conn.ReadMsgUDP(p, oob)
	if err == nil && from != nil {
		if answer := answering(oob[:oobn]); answer != nil {
			carry(from, answer)
		}
	}
	return n, from, err
}

// writeAsked is WriteToUDP to an address of readAsked, or any other.
func writeAsked(conn *net.UDPConn, p []byte, to *net.UDPAddr) (int, error) {
	answer := carried(to)
	if answer == nil {
		return conn.WriteToUDP(p, to)
	}
	n, _, err := conn.WriteMsgUDP(p, answer, to)
	return n, err
}

// askForPacketInfo makes the kernel tell with each datagram which address it was sent to.
func askForPacketInfo(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
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
