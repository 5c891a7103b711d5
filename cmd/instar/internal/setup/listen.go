package setup

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/units"
)

// kinds maps a prefix of an address to the directive of that kind of socket.
var kinds = map[string]string{
	"tcp": "ListenStream", "stream": "ListenStream",
	"udp": "ListenDatagram", "datagram": "ListenDatagram",
	"seqpacket": "ListenSequentialPacket",
}

// services are the names of ports that need no other: the protocols of services
// that one would write in Go.
var services = map[int]string{
	53: "dns", 80: "http", 443: "https", 853: "dot", 1883: "mqtt", 5432: "postgres", 6379: "redis",
	8000: "http", 8008: "http", 8080: "http", 8443: "https", 50051: "grpc",
}

// ParseListen reads [NAME=][KIND:]ADDRESS: where to listen, and under which name
// the service asks for it.
//
// ADDRESS is one of systemd.socket(5): a port, HOST:PORT, the path of a Unix
// socket, or "@" and an abstract one. KIND is tcp, udp, stream, datagram or
// seqpacket; without it, a stream socket. Without NAME the port's protocol or the
// path's last element names it.
func ParseListen(s string) (name string, l units.Listen, err error) {
	address := s
	if before, after, ok := strings.Cut(s, "="); ok && !strings.ContainsAny(before, "/@%") {
		name, address = before, after
		if name == "" {
			return "", units.Listen{}, fmt.Errorf("--listen=%s: no name before '='", s)
		}
	}
	l.Directive = "ListenStream"
	kind, rest, ok := strings.Cut(address, ":")
	if directive := kinds[kind]; ok && directive != "" {
		l.Directive, address = directive, rest
	}
	if err := checkAddress(address); err != nil {
		return "", units.Listen{}, fmt.Errorf("--listen=%s: %w", s, err)
	}
	isPath := strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") || strings.HasPrefix(address, "%")
	switch {
	case isPath && (kind == "tcp" || kind == "udp"):
		return "", units.Listen{}, fmt.Errorf("--listen=%s: %s is no address for %s; write it after \"stream:\" or \"datagram:\"", s, address, kind)
	case !isPath && kind == "seqpacket":
		return "", units.Listen{}, fmt.Errorf("--listen=%s: only Unix sockets are of the kind seqpacket: give a path", s)
	}
	l.Address = address
	if name == "" {
		name = inferName(l)
	}
	return name, l, nil
}

// checkAddress refuses the addresses that systemd would.
func checkAddress(address string) error {
	if address == "" || address == "@" || address == "/" {
		return fmt.Errorf("%q is no address: give a port, HOST:PORT or a path", address)
	}
	switch address[0] {
	case '/', '@', '%': // "%t/web.sock"
		const longest = 107 // sun_path, and a zero
		if len(address) > longest {
			return fmt.Errorf("%q is longer than the %d characters that a Unix socket may have", address, longest)
		}
		return nil
	}
	if _, err := port(address); err != nil {
		return err
	}
	return nil
}

// port is that of "8080", "127.0.0.1:8080", "[::1]:8080" or "vsock::8080".
func port(address string) (int, error) {
	last := address[strings.LastIndexByte(address, ':')+1:]
	n, err := strconv.ParseUint(last, 10, 32)
	if err != nil || n == 0 || n > 65535 && !strings.HasPrefix(address, "vsock:") {
		return 0, fmt.Errorf("%q is no address: give a port (1 to 65535), HOST:PORT or a path", address)
	}
	return int(n), nil
}

// inferName names a socket whose address checkAddress has let pass.
func inferName(l units.Listen) string {
	if n, err := port(l.Address); err == nil && !strings.HasPrefix(l.Address, "/") {
		if known := services[n]; known != "" {
			return known
		}
		if l.Directive == "ListenDatagram" {
			return fmt.Sprintf("udp-%d", n)
		}
		return fmt.Sprintf("tcp-%d", n)
	}
	base := path.Base(strings.TrimPrefix(l.Address, "@"))
	for _, suffix := range []string{".sock", ".socket"} {
		if cut := strings.TrimSuffix(base, suffix); cut != "" {
			base = cut
		}
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' {
			return '_'
		}
		return r
	}, base)
}

// Sockets makes the sockets of all addresses: those of one name are one socket,
// in the order in which the names come first.
func Sockets(listen []string) ([]units.Socket, error) {
	var sockets []units.Socket
	at := make(map[string]int)
	for _, s := range listen {
		name, l, err := ParseListen(s)
		if err != nil {
			return nil, err
		}
		i, known := at[name]
		if !known {
			i = len(sockets)
			at[name] = i
			sockets = append(sockets, units.Socket{Name: name})
		}
		sockets[i].Listen = append(sockets[i].Listen, l)
	}
	return sockets, nil
}
