package fdstore

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/internal/descriptor"
	"github.com/instar-project/instar/internal/memfile"
)

// queue is a Unix datagram socket that is connected to itself: it receives its own
// messages, and descriptors in its receive buffer stay open as long as
// the socket does. One descriptor, and so one store entry, is both ends, and the next
// process can read and add. (Of a socket pair both ends would have to be stored, and
// could be parted.)
//
// To connect to itself it needs an address: an abstract one, picked by the kernel.
// Once connected, the kernel lets no other socket send to it (unix_may_send);
// anything that came in before is thrown away.
//
// Reading is by MSG_PEEK at a position set by SO_PEEK_OFF, which takes nothing. The
// position belongs to the socket, that is to every process that has it, and a reader may
// die anywhere: so each peek sets it anew.
type queue struct {
	fd       int
	self     unix.Sockaddr
	capacity int    // SO_SNDBUF
	control  []byte // of the message being sent; kept for the next

	// The mirror of the queue, oldest first.
	messages []queued
	ops      int // in its messages
	slots    int // of those, opAdds: descriptors that it keeps open
	live     int // of those, neither removed nor superseded by a newer copy
}

// queued is a message in a queue.
type queued struct {
	seq    uint64
	length int // of the datagram
	marks  []mark
}

const (
	// maxFDs is SCM_MAX_FD: the most descriptors that the kernel takes in a message.
	maxFDs = 253

	// maxAdds leaves one for the table.
	maxAdds = maxFDs - 1

	// messageCost is the share of the send buffer that a datagram of up to 192 bytes takes
	// (measured on Linux 6.18): 278 messages at the default of 212,992.
	messageCost = 768
)

var (
	errQueueFull = errors.New("queue is full")
	errAdded     = errors.New("another process has added messages to the queue")
	errConsumed  = errors.New("another process has taken messages out of the queue")
)

// newQueue makes an empty queue.
func newQueue() (*queue, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	q := &queue{fd: fd}
	if err := unix.Bind(fd, &unix.SockaddrUnix{}); err != nil { // no name: the kernel picks one
		q.close()
		return nil, fmt.Errorf("bind: %w", err)
	}
	if err := q.prepare(); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// adoptQueue takes ownership of fd, which came out of the store, on error too.
func adoptQueue(fd int) (*queue, error) {
	q := &queue{fd: fd}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || err2 != nil || domain != unix.AF_UNIX || kind != unix.SOCK_DGRAM {
		q.close()
		return nil, fmt.Errorf("%w: descriptor %d is no Unix datagram socket", memfile.ErrForeign, fd)
	}
	if err := q.prepare(); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

// prepare sees to it that the queue is connected to itself. It is not if it is new,
// or if a process died within clear.
func (q *queue) prepare() (err error) {
	if q.capacity, err = unix.GetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_SNDBUF); err != nil {
		return fmt.Errorf("SO_SNDBUF: %w", err)
	}
	if q.self, err = unix.Getsockname(q.fd); err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	self, ok := q.self.(*unix.SockaddrUnix)
	if !ok || len(self.Name) < 2 || self.Name[0] != '@' {
		return fmt.Errorf("%w: a socket without an abstract address", memfile.ErrForeign)
	}
	peer, err := unix.Getpeername(q.fd)
	if errors.Is(err, unix.ENOTCONN) {
		return q.connect()
	}
	if err != nil {
		return fmt.Errorf("getpeername: %w", err)
	}
	if peer, ok := peer.(*unix.SockaddrUnix); !ok || peer.Name != self.Name {
		return fmt.Errorf("%w: a socket that is connected to another", memfile.ErrForeign)
	}
	return nil
}

// connect connects an unconnected queue, which holds nothing of ours, to itself.
func (q *queue) connect() error {
	for range 100 { // somebody would have to hit the gap each time
		if err := unix.Connect(q.fd, q.self); err != nil {
			return fmt.Errorf("connect to itself: %w", err)
		}
		_, fds, err := q.peek(0, 1)
		if descriptor.CloseAll(fds); errors.Is(err, io.EOF) {
			return nil
		}
		if err := q.disconnect(); err != nil {
			return err
		}
	}
	return errors.New("other processes keep sending to the queue's address")
}

// disconnect empties the queue: the kernel purges a peer's messages when the socket
// leaves that peer (unix_dgram_disconnected). It costs a third of reading them one by one.
func (q *queue) disconnect() error {
	if err := disconnect(q.fd); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}

func (q *queue) close() { unix.Close(q.fd) }

// send adds a message, or fails with errQueueFull or errInFlight. fds are borrowed.
func (q *queue) send(datagram []byte, fds []int) error {
	q.control = appendRights(q.control[:0], fds)
	for {
		_, err := unix.SendmsgN(q.fd, datagram, q.control, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
			return errQueueFull
		case errors.Is(err, unix.ETOOMANYREFS):
			return fmt.Errorf("%w: raise LimitNOFILE=", errInFlight)
		default:
			return fmt.Errorf("sendmsg with %d descriptors: %w", len(fds), err)
		}
	}
}

// room says that the queue takes another message and keeps one more in reserve: to
// take anything out of a full queue, it has to be sent to its end first.
func (q *queue) room() bool { return q.queuedBytes()+2*messageCost < q.capacity }

// crowded says that it is time to think of the room.
func (q *queue) crowded() bool { return q.queuedBytes() > q.capacity/4*3 }

// queuedBytes is the kernel's count against SO_SNDBUF.
func (q *queue) queuedBytes() int {
	n, err := unix.IoctlGetInt(q.fd, unix.SIOCOUTQ)
	if err != nil {
		return q.capacity
	}
	return n
}

// peek reads the message at an offset, which is the sum of the lengths of those
// before it, and its first descriptors, up to max, which the caller closes. At the
// end of the queue it returns io.EOF.
func (q *queue) peek(offset, max int) (datagram []byte, fds []int, err error) {
	if err := unix.SetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_PEEK_OFF, offset); err != nil {
		return nil, nil, fmt.Errorf("SO_PEEK_OFF: %w", err)
	}
	datagram = make([]byte, messageHeader+maxInline)
	// CmsgLen, not CmsgSpace: the padding would be room for one more.
	control := make([]byte, unix.CmsgLen(4*max))
	const flags = unix.MSG_PEEK | unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC | unix.MSG_TRUNC
	n, controlLen, _, _, err := unix.Recvmsg(q.fd, datagram, control, flags)
	for errors.Is(err, unix.EINTR) {
		n, controlLen, _, _, err = unix.Recvmsg(q.fd, datagram, control, flags)
	}
	if errors.Is(err, unix.EAGAIN) {
		return nil, nil, io.EOF
	}
	if err != nil {
		return nil, nil, fmt.Errorf("recvmsg: %w", err)
	}
	if fds, err = descriptor.Rights(control[:controlLen]); err != nil {
		return nil, nil, err
	}
	if n > len(datagram) {
		descriptor.CloseAll(fds)
		return nil, nil, fmt.Errorf("%w: a message of %d bytes", memfile.ErrForeign, n)
	}
	return datagram[:n], fds, nil
}

// scan reads the whole queue, and of the descriptors only the tables. It calls see
// with each message; marks are for the caller to add.
func (q *queue) scan(see func(m queued, ops []op)) error {
	for offset := 0; ; {
		datagram, fds, err := q.peek(offset, 1)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		m, ops, err := readMessage(datagram, fds)
		if err != nil {
			return err
		}
		see(queued{seq: m.seq, length: len(datagram)}, ops)
		offset += len(datagram)
	}
}

// readMessage decodes a datagram, body and table, and closes its descriptors.
func readMessage(datagram []byte, fds []int) (messageHead, []op, error) {
	m, body, err := decodeMessage(datagram)
	if err != nil || !m.table {
		descriptor.CloseAll(fds)
	} else if body, err = readTable(fds); err != nil {
		err = fmt.Errorf("message %d: %w", m.seq, err)
	}
	if err != nil {
		return m, nil, err
	}
	ops, err := decodeOps(body, m.adds)
	return m, ops, err
}

// readTable reads and closes the descriptors of a message with a table.
func readTable(fds []int) ([]byte, error) {
	if len(fds) == 0 {
		// The kernel leaves out a descriptor that it finds no number for.
		return nil, fmt.Errorf("its table did not arrive: %w: raise LimitNOFILE=", os.NewSyscallError("recvmsg", unix.EMFILE))
	}
	descriptor.CloseAll(fds[1:])
	table, err := openBlob(memfile.File(fds[0]), "bundle table", tableSchema)
	if err != nil {
		return nil, err
	}
	defer table.Close()
	return io.ReadAll(table)
}

// descriptors reads message i's descriptors, one for each opAdd, in order. They are
// the caller's to close.
func (q *queue) descriptors(i int) ([]int, error) {
	offset := 0
	for _, m := range q.messages[:i] {
		offset += m.length
	}
	m := q.messages[i]
	datagram, fds, err := q.peek(offset, maxFDs)
	if errors.Is(err, io.EOF) || err == nil && messageSeq(datagram) != m.seq {
		descriptor.CloseAll(fds)
		return nil, errConsumed
	}
	if err != nil {
		return nil, err
	}
	head, _, err := decodeMessage(datagram)
	if err != nil {
		descriptor.CloseAll(fds)
		return nil, err
	}
	want := head.adds
	if head.table {
		want++
	}
	if len(fds) != want {
		descriptor.CloseAll(fds)
		return nil, fmt.Errorf("%d of %d descriptors arrived: %w: raise LimitNOFILE=", len(fds), want, os.NewSyscallError("recvmsg", unix.EMFILE))
	}
	if head.table {
		unix.Close(fds[0])
		fds = fds[1:]
	}
	return fds, nil
}

// mirror notes that a message is at the end of the queue.
func (q *queue) mirror(m queued) {
	q.messages = append(q.messages, m)
	q.ops += len(m.marks)
	q.slots += countAdds(m.marks)
}

// drop takes the n oldest messages out of the queue, and out of the mirror.
func (q *queue) drop(n int) error {
	if n == 0 {
		return nil
	}
	if n == len(q.messages) {
		if err := q.clear(); err != nil {
			return err
		}
	} else {
		var head [messageHeader]byte // the rest of the datagram, and its descriptors, go
		for _, m := range q.messages[:n] {
			k, err := unix.Read(q.fd, head[:])
			for errors.Is(err, unix.EINTR) {
				k, err = unix.Read(q.fd, head[:])
			}
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			if messageSeq(head[:k]) != m.seq {
				return errConsumed
			}
		}
	}
	for _, m := range q.messages[:n] {
		q.ops -= len(m.marks)
		q.slots -= countAdds(m.marks)
	}
	q.messages = slices.Delete(q.messages, 0, n)
	return nil
}

// clear takes everything out of the queue at once.
func (q *queue) clear() error {
	end := 0
	for _, m := range q.messages {
		end += m.length
	}
	// A message that another process has added would go unread.
	if _, fds, err := q.peek(end, 1); !errors.Is(err, io.EOF) {
		descriptor.CloseAll(fds)
		return cmp.Or(err, errAdded)
	}
	if err := q.disconnect(); err != nil {
		return err
	}
	return q.connect()
}
