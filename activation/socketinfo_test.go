package activation

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestKind(t *testing.T) {
	socket := func(domain, typ, protocol int, listening, connected bool) socketInfo {
		return socketInfo{mode: unix.S_IFSOCK, domain: domain, typ: typ, protocol: protocol, listening: listening, connected: connected}
	}
	const listening, connected = true, true
	tests := []struct {
		what string
		info socketInfo
		kind fdKind
		text string
	}{
		{"TCP", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, listening, false), kindTCP, "a TCP listener"},
		{"TCP over IPv6", socket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP, listening, false), kindTCP, "a TCP listener"},
		{"Multipath TCP", socket(unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, listening, false), kindTCP, "a TCP listener"},
		{"TCP, accepted", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, false, connected), kindConnection, "a single connection"},
		{"TCP, idle", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, false, false), kindOther, "a socket that neither listens nor is connected"},
		{"SCTP", socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, listening, false), kindOther, "an SCTP socket"},
		{"SCTP seqpacket", socket(unix.AF_INET, unix.SOCK_SEQPACKET, unix.IPPROTO_SCTP, listening, false), kindOther, "an SCTP socket"},
		{"UDP", socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, false, false), kindUDP, "a UDP socket"},
		{"UDP, connected", socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP, false, connected), kindUDP, "a UDP socket"},
		{"UDP-Lite", socket(unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE, false, false), kindUDP, "a UDP socket"},
		{"ping", socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, false, false), kindOther, "a socket of domain 2, type 2, protocol 1"},
		{"raw", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, false, false), kindOther, "a socket of domain 2, type 3, protocol 1"},
		{"Unix stream", socket(unix.AF_UNIX, unix.SOCK_STREAM, 0, listening, false), kindUnix, "a Unix stream listener"},
		{"Unix seqpacket", socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0, listening, false), kindUnixPacket, "a Unix seqpacket listener"},
		{"Unix seqpacket, accepted", socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0, false, connected), kindConnection, "a single connection"},
		{"Unix datagram", socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0, false, false), kindUnixgram, "a Unix datagram socket"},
		{"vsock", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0, listening, false), kindVSOCK, "a vsock listener"},
		{"vsock seqpacket", socket(unix.AF_VSOCK, unix.SOCK_SEQPACKET, 0, listening, false), kindOther, "a socket of domain 40, type 5, protocol 0"},
		{"netlink", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT, false, false), kindNetlink, "a netlink socket"},
		{"FIFO", socketInfo{mode: unix.S_IFIFO}, kindFIFO, "a FIFO"},
		{"device", socketInfo{mode: unix.S_IFCHR}, kindSpecial, "a special or regular file"},
		{"regular", socketInfo{mode: unix.S_IFREG}, kindSpecial, "a special or regular file"},
		{"queue", socketInfo{mode: unix.S_IFREG, queue: true}, kindMessageQueue, "a POSIX message queue"},
		{"directory", socketInfo{mode: unix.S_IFDIR}, kindOther, "a directory"},
		{"disk", socketInfo{mode: unix.S_IFBLK}, kindOther, "a block device"},
		{"eventfd", socketInfo{}, kindOther, "an anonymous descriptor (an eventfd, a pidfd, …)"},
	}
	for _, tt := range tests {
		if got := tt.info.kind(); got != tt.kind {
			t.Errorf("%s: kind = %v, want %v", tt.what, got, tt.kind)
		}
		if got := tt.info.describe(); got != tt.text {
			t.Errorf("%s: describe = %q, want %q", tt.what, got, tt.text)
		}
	}
}

// A Kind from elsewhere must not be able to index past the table.
func TestKindOutOfRange(t *testing.T) {
	for _, k := range []fdKind{-1, kindConnection + 1} {
		if got, want := k.String(), kindOther.String(); got != want {
			t.Errorf("Kind(%d) = %q, want %q", int(k), got, want)
		}
	}
}

func TestInspectClosed(t *testing.T) {
	if _, err := inspect(-1); err == nil || err.Error() != "fstat: bad file descriptor" {
		t.Errorf("inspect(-1) = %v", err)
	}
}
