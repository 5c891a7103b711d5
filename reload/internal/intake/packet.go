package intake

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// receiver lets datagrams in while its generation accepts. A datagram is in
// flight from the moment it is received until its reader comes back for the
// next one: by then it has been answered.
type receiver struct {
	door *door
	in   *Intake

	mu   sync.Mutex
	held int // datagrams received whose readers have not come back
}

// receive makes one receiving call.
func (r *receiver) receive(call func() error) error {
	r.mu.Lock()
	if r.held > 0 {
		r.held--
		r.in.flight.done()
	}
	r.mu.Unlock()
	return r.door.through(r.in.log, func() error {
		err := call()
		if err == nil {
			r.mu.Lock()
			r.held++
			r.in.flight.begin()
			r.mu.Unlock()
		}
		return err
	})
}

// stop ends the receiver: its readers finish the datagrams that they hold.
func (r *receiver) stop() {
	r.door.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; r.held > 0; r.held-- {
		r.in.flight.done()
	}
}

// setDeadline is SetDeadline of a connection whose own one for reading is the
// gate's to set.
func (r *receiver) setDeadline(pc net.PacketConn, t time.Time) error {
	return errors.Join(r.door.SetDeadline(t), pc.SetWriteDeadline(t))
}

// rawConn returns the RawConn of a connection, whose Read is a receiving call like
// any other: it waits at the gate.
func (r *receiver) rawConn(conn syscall.Conn) (syscall.RawConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawReceiver{raw, r}, nil
}

type rawReceiver struct {
	syscall.RawConn
	receiver *receiver
}

func (c rawReceiver) Read(f func(fd uintptr) (done bool)) error {
	return c.receiver.receive(func() error { return c.RawConn.Read(f) })
}

type otherPacketConn struct {
	net.PacketConn
	*receiver
}

func (c *otherPacketConn) ReadFrom(p []byte) (n int, addr net.Addr, err error) {
	err = c.receive(func() (err error) { n, addr, err = c.PacketConn.ReadFrom(p); return })
	return
}

func (c *otherPacketConn) SetDeadline(t time.Time) error     { return c.setDeadline(c.PacketConn, t) }
func (c *otherPacketConn) SetReadDeadline(t time.Time) error { return c.door.SetDeadline(t) }

func (c *otherPacketConn) Close() error {
	c.stop()
	return c.PacketConn.Close()
}

// udpConn is a *net.UDPConn whose reading methods go through the gate.
type udpConn struct {
	*net.UDPConn
	*receiver
	askOnce func() // nil: bound to one address, from which all answers leave
}

func newUDPConn(conn *net.UDPConn, r *receiver) *udpConn {
	c := &udpConn{UDPConn: conn, receiver: r}
	if boundToAll(conn) {
		// A library that asks for control messages itself, as quic-go does, never gets here.
		c.askOnce = sync.OnceFunc(func() {
			if err := askForPacketInfo(conn); err != nil {
				r.in.log.Warn("the kernel chooses the address that answers leave from", "socket", r.door.socket.String(), "error", err)
			}
		})
	}
	return c
}

func (c *udpConn) Read(p []byte) (n int, err error) {
	err = c.receive(func() (err error) { n, err = c.UDPConn.Read(p); return })
	return
}

func (c *udpConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDP(p)
	if addr == nil {
		return n, nil, err
	}
	return n, addr, err
}

func (c *udpConn) ReadFromUDP(p []byte) (n int, addr *net.UDPAddr, err error) {
	read := c.UDPConn.ReadFromUDP
	if c.askOnce != nil {
		read = func(p []byte) (int, *net.UDPAddr, error) {
			c.askOnce() // with the gate open: until then the socket is another generation's
			return readAsked(c.UDPConn, p)
		}
	}
	err = c.receive(func() (err error) { n, addr, err = read(p); return })
	return
}

func (c *udpConn) WriteTo(p []byte, to net.Addr) (int, error) {
	if addr, ok := to.(*net.UDPAddr); ok {
		return writeAsked(c.UDPConn, p, addr)
	}
	return c.UDPConn.WriteTo(p, to)
}

func (c *udpConn) WriteToUDP(p []byte, to *net.UDPAddr) (int, error) {
	return writeAsked(c.UDPConn, p, to)
}

func (c *udpConn) ReadFromUDPAddrPort(p []byte) (n int, addr netip.AddrPort, err error) {
	err = c.receive(func() (err error) { n, addr, err = c.UDPConn.ReadFromUDPAddrPort(p); return })
	return
}

func (c *udpConn) ReadMsgUDP(p, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	err = c.receive(func() (err error) { n, oobn, flags, addr, err = c.UDPConn.ReadMsgUDP(p, oob); return })
	return
}

func (c *udpConn) ReadMsgUDPAddrPort(p, oob []byte) (n, oobn, flags int, addr netip.AddrPort, err error) {
	err = c.receive(func() (err error) { n, oobn, flags, addr, err = c.UDPConn.ReadMsgUDPAddrPort(p, oob); return })
	return
}

// SyscallConn is for options, and for those who receive several datagrams at a time.
func (c *udpConn) SyscallConn() (syscall.RawConn, error) { return c.rawConn(c.UDPConn) }

// NetConn returns the *net.UDPConn itself, as a tls.Conn's does. A read from that takes
// datagrams that may be another generation's.
func (c *udpConn) NetConn() net.Conn { return c.UDPConn }

func (c *udpConn) SetDeadline(t time.Time) error     { return c.setDeadline(c.UDPConn, t) }
func (c *udpConn) SetReadDeadline(t time.Time) error { return c.door.SetDeadline(t) }

func (c *udpConn) Close() error {
	c.stop()
	return c.UDPConn.Close()
}

// unixgramConn is a *net.UnixConn whose reading methods go through the gate.
type unixgramConn struct {
	*net.UnixConn
	*receiver
}

func (c *unixgramConn) Read(p []byte) (n int, err error) {
	err = c.receive(func() (err error) { n, err = c.UnixConn.Read(p); return })
	return
}

func (c *unixgramConn) ReadFrom(p []byte) (n int, addr net.Addr, err error) {
	err = c.receive(func() (err error) { n, addr, err = c.UnixConn.ReadFrom(p); return })
	return
}

func (c *unixgramConn) ReadFromUnix(p []byte) (n int, addr *net.UnixAddr, err error) {
	err = c.receive(func() (err error) { n, addr, err = c.UnixConn.ReadFromUnix(p); return })
	return
}

func (c *unixgramConn) ReadMsgUnix(p, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	err = c.receive(func() (err error) { n, oobn, flags, addr, err = c.UnixConn.ReadMsgUnix(p, oob); return })
	return
}

// SyscallConn is for options, and for those who receive several datagrams at a time.
func (c *unixgramConn) SyscallConn() (syscall.RawConn, error) { return c.rawConn(c.UnixConn) }

// NetConn returns the *net.UnixConn itself, as a tls.Conn's does. A read from that takes
// datagrams that may be another generation's.
func (c *unixgramConn) NetConn() net.Conn { return c.UnixConn }

func (c *unixgramConn) SetDeadline(t time.Time) error     { return c.setDeadline(c.UnixConn, t) }
func (c *unixgramConn) SetReadDeadline(t time.Time) error { return c.door.SetDeadline(t) }

func (c *unixgramConn) Close() error {
	c.stop()
	return c.UnixConn.Close()
}
