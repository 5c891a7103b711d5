package units

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// socketsOf are the inodes of the sockets that a process has open, see proc_pid_fd(5).
func socketsOf(pid int) (map[uint64]bool, error) {
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	inodes := make(map[uint64]bool)
	for _, e := range entries {
		link, _ := os.Readlink(filepath.Join(folder, e.Name())) // it may be closed by now
		text, isSocket := strings.CutPrefix(link, "socket:[")
		if inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64); isSocket && err == nil {
			inodes[inode] = true
		}
	}
	return inodes, nil
}

// listening are those of the sockets that listen, or wait for datagrams, in the network
// namespace of a process, by their inodes. Ports out of the range from which the
// kernel picks some are left out: they need not be the same the next time.
func listening(pid int, sockets map[uint64]bool) map[uint64]Listening {
	all := make(map[uint64]Listening)
	picked := pickedPorts()
	for _, table := range []struct {
		file  string
		parse func(line string) (inode uint64, l Listening, ok bool)
	}{
		{"tcp", inetLine("tcp", "0A", picked)}, {"tcp6", inetLine("tcp", "0A", picked)},
		{"udp", inetLine("udp", "07", picked)}, {"udp6", inetLine("udp", "07", picked)},
		{"unix", unixLine},
	} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table.file))
		if err != nil {
			continue // the kernel has no IPv6
		}
		for line := range strings.Lines(string(text)) {
			if inode, l, ok := table.parse(line); ok && sockets[inode] {
				all[inode] = l
			}
		}
	}
	return all
}

// portRange is ip_local_port_range of ip(7).
type portRange struct{ first, last uint16 }

func pickedPorts() portRange {
	r := portRange{32768, 60999}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		fmt.Sscan(string(text), &r.first, &r.last)
	}
	return r
}

// inetLine reads lines of /proc/net/tcp and its like, see proc_pid_net(5), that are in
// that state: 0A is LISTEN, 07 is that of a datagram socket without a peer.
func inetLine(network, state string, picked portRange) func(string) (uint64, Listening, bool) {
	return func(line string) (uint64, Listening, bool) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != state {
			return 0, Listening{}, false
		}
		inode, err := strconv.ParseUint(fields[9], 10, 64)
		address, ok := inetAddress(fields[1])
		if err != nil || !ok || address.Port() >= picked.first && address.Port() <= picked.last {
			return 0, Listening{}, false
		}
		return inode, Listening{Network: network, Address: address.String()}, true
	}
}

// inetAddress reads "0100007F:26CB": 32-bit words in the byte order of the machine.
func inetAddress(s string) (netip.AddrPort, bool) {
	ip, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address, uint16(n)), ok
}

// unixLine reads lines of /proc/net/unix, see proc_pid_net(5): of those that listen, or
// wait for datagrams at a path.
func unixLine(line string) (uint64, Listening, bool) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return 0, Listening{}, false // it has no address
	}
	const accepts = 0x10000 // __SO_ACCEPTCON
	flags, _ := strconv.ParseUint(fields[3], 16, 32)
	network := map[string]string{"0001": "unix", "0002": "unixgram", "0005": "unixpacket"}[fields[4]]
	inode, err := strconv.ParseUint(fields[6], 10, 64)
	if err != nil || network == "" || network != "unixgram" && flags&accepts == 0 || network == "unixgram" && fields[7][0] == '@' {
		return 0, Listening{}, false
	}
	return inode, Listening{Network: network, Address: strings.Join(fields[7:], " ")}, true
}
