package activation

// Kind is the type of a descriptor, as far as it decides on its uses.
type Kind int

// The kinds, each with the directive of systemd.socket(5) that makes it.
const (
	Other        Kind = iota // nothing below: an SCTP socket, a directory, …
	TCP                      // ListenStream=, listening
	Unix                     // ListenStream=, listening, AF_UNIX
	UnixPacket               // ListenSequentialPacket=, listening
	VSOCK                    // ListenStream=vsock:…, listening
	UDP                      // ListenDatagram=
	Unixgram                 // ListenDatagram=, AF_UNIX
	Netlink                  // ListenNetlink=
	FIFO                     // ListenFIFO=
	Special                  // ListenSpecial=: a character device or a regular file
	MessageQueue             // ListenMessageQueue=
	Connection               // a connected socket, as Accept=yes passes it
)

type kindInfo struct {
	noun, directive string
	getter          *getter
}

var kinds = [...]kindInfo{
	Other:        {"a descriptor of another kind", "", asFile},
	TCP:          {"a TCP listener", "ListenStream=", asListener},
	Unix:         {"a Unix stream listener", "ListenStream=", asListener},
	UnixPacket:   {"a Unix seqpacket listener", "ListenSequentialPacket=", asListener},
	VSOCK:        {"a vsock listener", "ListenStream=", asListener},
	UDP:          {"a UDP socket", "ListenDatagram=", asPacketConn},
	Unixgram:     {"a Unix datagram socket", "ListenDatagram=", asPacketConn},
	Netlink:      {"a netlink socket", "ListenNetlink=", asFile},
	FIFO:         {"a FIFO", "ListenFIFO=", asFile},
	Special:      {"a special or regular file", "ListenSpecial=", asFile},
	MessageQueue: {"a POSIX message queue", "ListenMessageQueue=", asFile},
	Connection:   {"a single connection", "Accept=yes", asFile},
}

func (k Kind) info() kindInfo {
	if k < 0 || int(k) >= len(kinds) {
		k = Other
	}
	return kinds[k]
}

// String returns the kind as a noun with its article: "a TCP listener".
func (k Kind) String() string { return k.info().noun }

// directive is the line of the .socket unit that makes this kind, "" for Other.
func (k Kind) directive() string { return k.info().directive }

// getter is the getter that hands out this kind.
func (k Kind) getter() *getter { return k.info().getter }
