package units

import "io/fs"

// DefaultBacklog is how many connections may wait where a [Socket] says nothing:
// room for those that arrive while no generation accepts, during a takeover or a
// restart. The kernel caps it by net.core.somaxconn, see listen(2).
const DefaultBacklog = 4096

// Socket is one .socket unit, as package units has it.
type Socket struct {
	Name    string
	Listen  []Listen
	Backlog int // zero: [DefaultBacklog]
	Mode    fs.FileMode
}

// Listen is an address to listen on, see systemd.socket(5).
type Listen struct {
	Directive string // "ListenStream", "ListenDatagram" or "ListenSequentialPacket"
	Address   string // "8080", "127.0.0.1:8080", "/run/web.sock", "@abstract"; '%' begins a specifier
}

// Stream is a TCP or Unix stream socket.
func Stream(address string) Listen { return Listen{"ListenStream", address} }

// Datagram is a UDP or Unix datagram socket.
func Datagram(address string) Listen { return Listen{"ListenDatagram", address} }

// SequentialPacket is a Unix seqpacket socket.
func SequentialPacket(address string) Listen { return Listen{"ListenSequentialPacket", address} }

// connects reports whether the socket has connections, which queue up.
func (s Socket) connects() bool {
	for _, l := range s.Listen {
		if l.Directive != "ListenDatagram" {
			return true
		}
	}
	return false
}
