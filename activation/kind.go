package activation

// Kind is the type of a descriptor, as far as it decides on its uses.
type fdKind int

// The kinds, each with the directive of systemd.socket(5) that makes it.
const (
	kindOther        fdKind = iota // nothing below: an SCTP socket, a directory, …
	kindTCP                        // ListenStream=, listening
	kindUnix                       // ListenStream=, listening, AF_UNIX
	kindUnixPacket                 // ListenSequentialPacket=, listening
	kindVSOCK                      // ListenStream=vsock:…, listening
	kindUDP                        // ListenDatagram=
	kindUnixgram                   // ListenDatagram=, AF_UNIX
	kindNetlink                    // ListenNetlink=
	kindFIFO                       // ListenFIFO=
	kindSpecial                    // ListenSpecial=: a character device or a regular file
	kindMessageQueue               // ListenMessageQueue=
	kindConnection                 // a connected socket, as Accept=yes passes it
)

type kindInfo struct {
	name            string // for Only
	noun, directive string
	getter          *getter
}

var kinds = [...]kindInfo{
	kindOther:        {"", "a descriptor of another kind", "", asFile},
	kindTCP:          {"tcp", "a TCP listener", "ListenStream=", asListener},
	kindUnix:         {"unix", "a Unix stream listener", "ListenStream=", asListener},
	kindUnixPacket:   {"unixpacket", "a Unix seqpacket listener", "ListenSequentialPacket=", asListener},
	kindVSOCK:        {"vsock", "a vsock listener", "ListenStream=", asListener},
	kindUDP:          {"udp", "a UDP socket", "ListenDatagram=", asPacketConn},
	kindUnixgram:     {"unixgram", "a Unix datagram socket", "ListenDatagram=", asPacketConn},
	kindNetlink:      {"netlink", "a netlink socket", "ListenNetlink=", asFile},
	kindFIFO:         {"fifo", "a FIFO", "ListenFIFO=", asFile},
	kindSpecial:      {"special", "a special or regular file", "ListenSpecial=", asFile},
	kindMessageQueue: {"mqueue", "a POSIX message queue", "ListenMessageQueue=", asFile},
	kindConnection:   {"", "a single connection", "Accept=yes", asFile},
}

func (k fdKind) info() kindInfo {
	if k < 0 || int(k) >= len(kinds) {
		k = kindOther
	}
	return kinds[k]
}

// String returns the kind as a noun with its article: "a TCP listener".
func (k fdKind) String() string { return k.info().noun }

// directive is the line of the .socket unit that makes this kind, "" for Other.
func (k fdKind) directive() string { return k.info().directive }

// getter is the getter that hands out this kind.
func (k fdKind) getter() *getter { return k.info().getter }

// kindOf is the kind of that name.
func kindOf(name string) (fdKind, bool) {
	for k, info := range kinds {
		if info.name == name && name != "" {
			return fdKind(k), true
		}
	}
	return kindOther, false
}
