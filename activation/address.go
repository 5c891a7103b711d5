package activation

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// address is where a socket is bound, in a form that can be compared.
type address struct {
	text  string         // as ListenStream= writes it; "" for an unnamed socket
	inet  netip.AddrPort // for AF_INET and AF_INET6
	vsock *VSOCKAddr     // for AF_VSOCK
}

func addressOf(sa unix.Sockaddr) address {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return inetAddress(netip.AddrFrom4(sa.Addr), sa.Port)
	case *unix.SockaddrInet6:
		return inetAddress(netip.AddrFrom16(sa.Addr).WithZone(zoneName(sa.ZoneId)), sa.Port)
	case *unix.SockaddrUnix:
		return address{text: sa.Name}
	case *unix.SockaddrVM:
		vm := &VSOCKAddr{CID: sa.CID, Port: sa.Port}
		return address{text: vm.String(), vsock: vm}
	}
	return address{}
}

func inetAddress(ip netip.Addr, port int) address {
	inet := netip.AddrPortFrom(ip, uint16(port))
	return address{text: inet.String(), inet: inet}
}

// zoneName is the interface name of a scope, as an address in a unit file has it.
func zoneName(index uint32) string {
	if index == 0 {
		return ""
	}
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// pattern is an address that a socket is expected at: see BoundTo.
type pattern struct {
	path  string         // a path, or @ and an abstract name
	inet  netip.AddrPort // port 0: any port
	any   bool           // the wildcard address of IPv4 or IPv6
	vsock *VSOCKAddr     // CID any: any CID; port 0: any port
}

// parsePattern reads an address as systemd.socket(5) has it after ListenStream=.
func parsePattern(s string) (pattern, error) {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") {
		return pattern{path: s}, nil
	}
	if rest, ok := strings.CutPrefix(s, "vsock:"); ok {
		return parseVSOCKPattern(s, rest)
	}
	if port, err := strconv.ParseUint(strings.TrimPrefix(s, ":"), 10, 16); err == nil {
		return pattern{any: true, inet: netip.AddrPortFrom(netip.Addr{}, uint16(port))}, nil
	}
	inet, err := netip.ParseAddrPort(s)
	if err != nil {
		return pattern{}, fmt.Errorf("%q is not an address as ListenStream= takes it: want IP:PORT, PORT, /path, @name or vsock:CID:PORT", s)
	}
	return pattern{inet: inet}, nil
}

func parseVSOCKPattern(whole, rest string) (pattern, error) {
	cid, port, _ := strings.Cut(rest, ":")
	vm := &VSOCKAddr{CID: unix.VMADDR_CID_ANY}
	if cid != "" {
		n, err := strconv.ParseUint(cid, 10, 32)
		if err != nil {
			return pattern{}, fmt.Errorf("%q is not a vsock address: want vsock:CID:PORT, the CID a number or empty", whole)
		}
		vm.CID = uint32(n)
	}
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		return pattern{}, fmt.Errorf("%q is not a vsock address: want vsock:CID:PORT, the port a number", whole)
	}
	vm.Port = uint32(n)
	return pattern{vsock: vm}, nil
}

// matches reports whether a socket bound to a is where p expects it.
func (p pattern) matches(a address) bool {
	switch {
	case p.path != "":
		return a.text == p.path
	case p.vsock != nil:
		return a.vsock != nil &&
			(p.vsock.CID == unix.VMADDR_CID_ANY || p.vsock.CID == a.vsock.CID) &&
			(p.vsock.Port == 0 || p.vsock.Port == a.vsock.Port)
	}
	if !a.inet.IsValid() || p.inet.Port() != 0 && p.inet.Port() != a.inet.Port() {
		return false
	}
	got := a.inet.Addr().Unmap()
	if p.any {
		return got.IsUnspecified()
	}
	want := p.inet.Addr().Unmap()
	if want.Zone() == "" {
		// A zone that was not asked for is not held against the socket.
		got = got.WithZone("")
	}
	return got == want
}
