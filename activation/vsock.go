package activation

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// VSOCKAddr is an address of vsock(7): ListenStream=vsock:CID:PORT.
type VSOCKAddr struct {
	CID  uint32 // VMADDR_CID_ANY (4294967295): any
	Port uint32
}

// Network returns "vsock".
func (a *VSOCKAddr) Network() string { return "vsock" }

// String returns the address as ListenStream= has it; the CID is empty for any.
func (a *VSOCKAddr) String() string {
	if a.CID == unix.VMADDR_CID_ANY {
		return fmt.Sprintf("vsock::%d", a.Port)
	}
	return fmt.Sprintf("vsock:%d:%d", a.CID, a.Port)
}

// vsockListener is a listener for a family that package net does not know. The
// os.File does the waiting: it is registered with Go's poller and has deadlines.
type vsockListener struct {
	file   *os.File
	addr   net.Addr
	closed atomic.Bool
}

// newVSOCKListener takes ownership of file, on an error too.
func newVSOCKListener(file *os.File) (*vsockListener, error) {
	l := &vsockListener{file: file}
	raw, err := file.SyscallConn()
	if err == nil {
		l.addr, err = rawAddr(raw, unix.Getsockname)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

func (l *vsockListener) Accept() (net.Conn, error) {
	fd, sa, err := l.accept()
	if err != nil {
		if l.closed.Load() {
			err = net.ErrClosed
		}
		return nil, &net.OpError{Op: "accept", Net: "vsock", Addr: l.addr, Err: err}
	}
	file := os.NewFile(uintptr(fd), "vsock")
	conn := &vsockConn{file: file, local: l.addr, remote: netAddr(sa)}
	if raw, err := file.SyscallConn(); err == nil {
		// More exact than the listener's, which may be bound to any CID.
		if local, err := rawAddr(raw, unix.Getsockname); err == nil {
			conn.local = local
		}
	}
	return conn, nil
}

func (l *vsockListener) accept() (fd int, sa unix.Sockaddr, err error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return -1, nil, err
	}
	waitErr := raw.Read(func(listener uintptr) (done bool) {
		for {
			fd, sa, err = unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			switch err {
			case unix.EINTR, unix.ECONNABORTED: // gone again before it was accepted
				continue
			case unix.EAGAIN:
				return false
			}
			return true
		}
	})
	if waitErr != nil {
		return -1, nil, waitErr
	}
	return fd, sa, os.NewSyscallError("accept4", err)
}

func (l *vsockListener) Close() error {
	l.closed.Store(true)
	return opError("close", l.addr, nil, l.file.Close())
}

func (l *vsockListener) Addr() net.Addr { return l.addr }

// SetDeadline ends a waiting Accept at t, and every later one; zero: never.
func (l *vsockListener) SetDeadline(t time.Time) error {
	return opError("set", l.addr, nil, l.file.SetDeadline(t))
}

func (l *vsockListener) SyscallConn() (syscall.RawConn, error) { return l.file.SyscallConn() }

// vsockConn is a stream connection over any pollable socket.
type vsockConn struct {
	file          *os.File
	local, remote net.Addr
}

func (c *vsockConn) Read(b []byte) (int, error) {
	n, err := c.file.Read(b)
	return n, opError("read", c.local, c.remote, err)
}

func (c *vsockConn) Write(b []byte) (int, error) {
	n, err := c.file.Write(b)
	return n, opError("write", c.local, c.remote, err)
}

// CloseWrite tells the peer that nothing more will come, as TCPConn's does.
func (c *vsockConn) CloseWrite() error {
	raw, err := c.file.SyscallConn()
	if err == nil {
		var shutdown error
		if err = raw.Control(func(fd uintptr) { shutdown = unix.Shutdown(int(fd), unix.SHUT_WR) }); err == nil {
			err = os.NewSyscallError("shutdown", shutdown)
		}
	}
	return opError("close", c.local, c.remote, err)
}

func (c *vsockConn) Close() error         { return opError("close", c.local, c.remote, c.file.Close()) }
func (c *vsockConn) LocalAddr() net.Addr  { return c.local }
func (c *vsockConn) RemoteAddr() net.Addr { return c.remote }

func (c *vsockConn) SetDeadline(t time.Time) error {
	return opError("set", c.local, c.remote, c.file.SetDeadline(t))
}

func (c *vsockConn) SetReadDeadline(t time.Time) error {
	return opError("set", c.local, c.remote, c.file.SetReadDeadline(t))
}

func (c *vsockConn) SetWriteDeadline(t time.Time) error {
	return opError("set", c.local, c.remote, c.file.SetWriteDeadline(t))
}

func (c *vsockConn) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// opError turns a file's error into one that users of package net expect.
func opError(op string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err // the path of a socket says nothing
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	e := &net.OpError{Op: op, Net: "vsock", Source: local, Addr: remote, Err: err}
	if remote == nil {
		e.Source, e.Addr = nil, local
	}
	return e
}

// rawAddr asks getsockname(2) or getpeername(2) about a socket.
func rawAddr(raw syscall.RawConn, ask func(fd int) (unix.Sockaddr, error)) (addr net.Addr, err error) {
	if controlErr := raw.Control(func(fd uintptr) {
		var sa unix.Sockaddr
		sa, err = ask(int(fd))
		addr = netAddr(sa)
	}); controlErr != nil {
		return nil, controlErr
	}
	return addr, err
}

// netAddr is sa as an address of this file; the zero VSOCKAddr if it is none.
func netAddr(sa unix.Sockaddr) net.Addr {
	if vm, ok := sa.(*unix.SockaddrVM); ok {
		return &VSOCKAddr{CID: vm.CID, Port: vm.Port}
	}
	return &VSOCKAddr{}
}
