package notify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxUnixAddress is the longest address of a Unix socket in bytes, its leading
// '/' or '@' counted: sun_path has 108, of which a path needs one for its NUL and
// an abstract name spends one on the NUL that stands for the '@'.
const maxUnixAddress = 107

// address is NOTIFY_SOCKET, understood.
type address struct {
	text string // as it stood in NOTIFY_SOCKET

	vsock    bool
	cid      uint32 // vsock only
	port     uint32 // vsock only
	sockType int    // vsock only: SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM, or 0 for the host's choice
}

// vsockPrefixes are the address forms that sd_notify(3) lists for AF_VSOCK.
var vsockPrefixes = map[string]int{
	"vsock":           0,
	"vsock-stream":    unix.SOCK_STREAM,
	"vsock-dgram":     unix.SOCK_DGRAM,
	"vsock-seqpacket": unix.SOCK_SEQPACKET,
}

// vsockCIDs are the names systemd accepts in place of a number. "any" is not
// among them: a notification needs one receiver.
var vsockCIDs = map[string]uint32{
	"hypervisor": unix.VMADDR_CID_HYPERVISOR,
	"local":      unix.VMADDR_CID_LOCAL,
	"host":       unix.VMADDR_CID_HOST,
}

// parseAddress understands the value of NOTIFY_SOCKET: an absolute path, '@' and
// an abstract name, or vsock:CID:PORT. It touches nothing but its argument.
func parseAddress(text string) (address, error) {
	a, err := parseFamily(text)
	if err != nil {
		return address{}, fmt.Errorf("notify: malformed address %q (NOTIFY_SOCKET): %w", text, err)
	}
	return a, nil
}

func parseFamily(text string) (address, error) {
	prefix, rest, _ := strings.Cut(text, ":")
	if sockType, ok := vsockPrefixes[prefix]; ok {
		return parseVsock(text, rest, sockType)
	}
	switch {
	case text == "":
		return address{}, errors.New("it is empty")
	case text[0] != '/' && text[0] != '@':
		return address{}, errors.New("want an absolute path, @ and an abstract name, or vsock:CID:PORT")
	case text == "@":
		return address{}, errors.New("no name follows the @")
	case strings.IndexByte(text, 0) >= 0:
		return address{}, errors.New("it contains a NUL byte")
	case len(text) > maxUnixAddress:
		return address{}, fmt.Errorf("it has %d bytes, and a Unix socket address at most %d", len(text), maxUnixAddress)
	}
	return address{text: text}, nil
}

func parseVsock(text, rest string, sockType int) (address, error) {
	host, service, ok := strings.Cut(rest, ":")
	if !ok {
		return address{}, errors.New("want vsock:CID:PORT")
	}
	cid, named := vsockCIDs[host]
	if !named {
		n, err := strconv.ParseUint(host, 10, 32)
		if err != nil || n == unix.VMADDR_CID_ANY {
			return address{}, fmt.Errorf("CID %q is not one context: want a number, hypervisor, local or host", host)
		}
		cid = uint32(n)
	}
	port, err := strconv.ParseUint(service, 10, 32)
	if err != nil || port == unix.VMADDR_PORT_ANY {
		return address{}, fmt.Errorf("port %q is not a number from 0 to 4294967294", service)
	}
	return address{text: text, vsock: true, cid: cid, port: uint32(port), sockType: sockType}, nil
}
