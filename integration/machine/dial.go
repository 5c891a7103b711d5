package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects from this process to a socket inside the machine. It has the
// shape of [net.Dialer.DialContext] and is cheap enough to stand in for it in an
// http.Transport at thousands of connections a second.
//
// Networks: tcp and udp (also with 4 or 6) to a literal IP address or localhost,
// for the machine has no other names; unix, unixpacket and unixgram to a path in
// the machine or an @abstract address. The caller closes the connection.
// Errors are *net.OpError, as package net's are.
func (m *Machine) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := m.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: destination{network, address}, Err: err}
	}
	return conn, nil
}

// destination is the address of a failed Dial, as the caller gave it.
type destination struct{ network, address string }

func (d destination) Network() string { return d.network }
func (d destination) String() string  { return d.address }

func (m *Machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var kind int
	switch network {
	case "tcp", "tcp4", "tcp6":
		kind = unix.SOCK_STREAM
	case "udp", "udp4", "udp6":
		kind = unix.SOCK_DGRAM
	case "unix":
		kind = unix.SOCK_STREAM
	case "unixpacket":
		kind = unix.SOCK_SEQPACKET
	case "unixgram":
		kind = unix.SOCK_DGRAM
	default:
		return nil, net.UnknownNetworkError(network)
	}
	if strings.HasPrefix(network, "unix") {
		return m.dialUnix(ctx, kind, address)
	}
	to, err := parseAddress(network, address)
	if err != nil {
		return nil, err
	}
	if to.Addr().Is4() {
		return m.connect(ctx, unix.AF_INET, kind, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	return m.connect(ctx, unix.AF_INET6, kind, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
}

// parseAddress reads HOST:PORT, with a literal address, localhost, or nothing as
// the host. No zones: the machine has the loopback interface only.
func parseAddress(network, address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
		if strings.HasSuffix(network, "6") {
			host = "::1"
		}
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w; a machine is dialled by IP address or localhost, and a port number", err)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case strings.HasSuffix(network, "4") && !to.Addr().Is4(),
		strings.HasSuffix(network, "6") && !to.Addr().Is6():
		return netip.AddrPort{}, fmt.Errorf("%s is not an address for %s", to.Addr(), network)
	case to.Addr().Zone() != "":
		return netip.AddrPort{}, fmt.Errorf("%s: a machine has no zones", to.Addr())
	}
	return to, nil
}

func (m *Machine) dialUnix(ctx context.Context, kind int, address string) (net.Conn, error) {
	if strings.HasPrefix(address, "@") {
		return m.connect(ctx, unix.AF_UNIX, kind, &unix.SockaddrUnix{Name: address})
	}
	// By way of /proc/self/fd: a symlink on the path leads where it does in the
	// machine, and no path is too long for a socket address.
	socket, err := m.openPath(filepath.Clean("/"+address), unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	return m.connect(ctx, unix.AF_UNIX, kind, &unix.SockaddrUnix{Name: descriptorPath(socket)})
}

// connect makes a socket in the machine and connects it.
func (m *Machine) connect(ctx context.Context, domain, kind int, to unix.Sockaddr) (net.Conn, error) {
	fd, err := m.network.socket(domain, kind)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, to)
	if err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	inProgress := err == unix.EINPROGRESS
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close() // FileConn has its own duplicate
	if inProgress {
		if err := awaitConnected(ctx, f); err != nil {
			return nil, err
		}
	}
	return net.FileConn(f)
}

// awaitConnected waits, with the runtime's poller, until the socket is connected
// or has failed to be.
func awaitConnected(ctx context.Context, socket *os.File) error {
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { socket.SetWriteDeadline(time.Unix(1, 0)) })()
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = os.NewSyscallError("getsockopt", err)
			return true
		case code != 0:
			failed = os.NewSyscallError("connect", unix.Errno(code))
			return true
		}
		// No error and no peer: not connected yet.
		_, err = unix.Getpeername(int(fd))
		return err == nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return errors.Join(err, failed)
}
