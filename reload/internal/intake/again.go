package intake

import (
	"fmt"
	"net"
	"syscall"

	"github.com/instar-project/instar/activation"

	"golang.org/x/sys/unix"
)

// Again returns another Listener for the same socket. Each may be closed without the
// other, and has a deadline of its own.
func (l *Listener) Again() (*Listener, error) {
	set, err := duplicate(l.deadlineListener)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	ln, err := set.Listener(theSocket)
	if err != nil {
		return nil, err
	}
	return l.in.Listener(l.door.socket.name, ln), nil
}

// Intake is the one that l belongs to.
func (l *Listener) Intake() *Intake { return l.in }

// A PacketConn receives while the gate is open.
type PacketConn interface {
	net.PacketConn
	// Again returns another one for the same socket. Each may be closed without the
	// other, and has deadlines of its own.
	Again() (net.PacketConn, error)
	// Intake is the one that it belongs to.
	Intake() *Intake
}

func (c *otherPacketConn) Again() (net.PacketConn, error) { return c.again(c.PacketConn) }
func (c *udpConn) Again() (net.PacketConn, error)         { return c.again(c.UDPConn) }
func (c *unixgramConn) Again() (net.PacketConn, error)    { return c.again(c.UnixConn) }

func (r *receiver) again(pc net.PacketConn) (net.PacketConn, error) {
	set, err := duplicate(pc)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	if pc, err = set.PacketConn(theSocket); err != nil {
		return nil, err
	}
	return r.in.PacketConn(r.door.socket.name, pc), nil
}

func (r *receiver) Intake() *Intake { return r.in }

// theSocket is the name of the only one in a set.
const theSocket = "socket"

// duplicate returns a set of a duplicate of that socket.
func duplicate(socket any) (*activation.Set, error) {
	conn, ok := socket.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", socket)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var dupErr error
	if err := raw.Control(func(original uintptr) {
		fd, dupErr = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 3)
	}); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, fmt.Errorf("duplicate a socket: %w", dupErr)
	}
	return activation.New([]activation.Entry{{Name: theSocket, FD: fd}})
}
