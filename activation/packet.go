package activation

import "net"

// PacketConn returns the datagram socket of that name: a [*net.UDPConn] or a
// [*net.UnixConn] (network "unixgram"). Both generations of an upgrade may hold
// it at once; each datagram then goes to one of them.
//
// The caller closes it; the socket stays open in the Set. Errors are those of
// [Set.Listener].
func (s *Set) PacketConn(name string, checks ...Check) (net.PacketConn, error) {
	return getOne(s, request{getter: asPacketConn, wanted: name, checks: checks}, openPacketConn)
}

// PacketConns is [Set.PacketConn] for a name that one socket or more may have, as
// when a .socket unit has several lines of ListenDatagram=; in their order. On an
// error it returns no connection at all.
func (s *Set) PacketConns(name string, checks ...Check) ([]net.PacketConn, error) {
	return get(s, request{getter: asPacketConn, many: true, wanted: name, checks: checks}, openPacketConn)
}

// openPacketConn makes a packet connection of fd, which it takes ownership of.
func openPacketConn(fd int, _ fdKind, name string) (net.PacketConn, error) {
	file, err := nonblockingFile(fd, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() // FilePacketConn duplicates once more
	return net.FilePacketConn(file)
}
