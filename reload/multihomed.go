package reload

import (
	"net"

	"github.com/instar-project/instar/reload/internal/intake"
)

// Multihomed returns conn, a UDP socket that is bound to all addresses of a host, as one
// whose answers leave from the address that was asked. Otherwise the kernel chooses the
// sender's address by the route, and a client that has asked another one drops the answer.
// Libraries that do this by themselves, such as miekg/dns, do it for a *net.UDPConn only.
//
// The addresses that ReadFrom returns are not of type *net.UDPAddr, though they have its
// methods; each remembers the address asked, and WriteTo makes use of it. Anything else
// works as on conn, which is a [Service.PacketConn] or a *net.UDPConn. [Packets] needs no
// Multihomed.
//
// It is an error if conn is no UDP socket, or if the kernel does not tell which address
// was asked (IP_PKTINFO, IPV6_PKTINFO).
func Multihomed(conn net.PacketConn) (net.PacketConn, error) { return intake.Multihomed(conn) }
