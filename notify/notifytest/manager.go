package notifytest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

const (
	maxDatagram = 4096 // NOTIFY_BUFFER_MAX of systemd, in bytes
	maxFDs      = 253  // SCM_MAX_FD of the kernel
)

// Manager is a service manager that listens, and records. Its methods are safe for
// concurrent use. Make one with [Start] or [StartAbstract]; it stops, and closes
// its descriptors, when the test ends.
type Manager struct {
	t       testing.TB
	conn    *net.UnixConn
	address string
	stopped chan struct{} // closed when receive has returned

	mu       sync.Mutex
	messages []Message
	arrival  chan struct{} // closed and replaced at each message
	waited   int           // how many messages Wait has passed
	held     []int         // write ends of barriers not yet answered
	holding  bool
	discard  bool
}

// Start returns a Manager that listens on a path in a directory of its own.
func Start(t testing.TB) *Manager {
	t.Helper()
	// Not t.TempDir: it is named after the test, and a socket's path has 107 bytes.
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return start(t, filepath.Join(dir, "notify"))
}

// StartAbstract returns a Manager that listens on an abstract name, '@' and a few
// digits that the kernel picks, so that no two tests can clash.
func StartAbstract(t testing.TB) *Manager {
	t.Helper()
	return start(t, "")
}

func start(t testing.TB, name string) *Manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	if err := passCredentials(conn); err != nil {
		conn.Close()
		t.Fatalf("notifytest: %v", err)
	}
	m := &Manager{
		t:       t,
		conn:    conn,
		address: conn.LocalAddr().String(),
		stopped: make(chan struct{}),
		arrival: make(chan struct{}),
	}
	go m.receive()
	t.Cleanup(m.stop)
	return m
}

// passCredentials asks the kernel to name the sender of each datagram.
func passCredentials(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt SO_PASSCRED",
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	})
	return errors.Join(err, failed)
}

// Address returns the value for NOTIFY_SOCKET.
func (m *Manager) Address() string { return m.address }

// Messages returns all messages received so far, in order, barriers included. Once
// a barrier has been answered, the earlier messages of its sender are among them.
func (m *Manager) Messages() []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.messages)
}

// HoldBarriers leaves barriers unanswered from now on, as a manager does that is
// busy or stuck.
func (m *Manager) HoldBarriers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holding = true
}

// ReleaseBarriers answers the barriers held, oldest first, and those to come.
func (m *Manager) ReleaseBarriers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holding = false
	m.answer()
}

// Discard stops recording: from now on messages are received, their descriptors
// closed and barriers answered, and that is all. It is for benchmarks.
func (m *Manager) Discard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.discard = true
}

// answer closes the held barriers' descriptors. m.mu is held.
func (m *Manager) answer() {
	descriptor.CloseAll(m.held)
	m.held = nil
}

// stop ends receiving and closes all that was received.
func (m *Manager) stop() {
	m.conn.Close()
	<-m.stopped
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer()
	for _, message := range m.messages {
		descriptor.CloseAll(message.FDs)
	}
}

// receive reads datagrams until the socket is closed.
func (m *Manager) receive() {
	defer close(m.stopped)
	text := make([]byte, maxDatagram)
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4*maxFDs))
	for {
		n, oobn, flags, _, err := m.conn.ReadMsgUnix(text, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			m.t.Errorf("notifytest: receive at %s: %v", m.address, err)
			return
		}
		message, err := parse(text[:n], control[:oobn])
		if err == nil && flags&unix.MSG_TRUNC != 0 {
			err = fmt.Errorf("it is longer than %d bytes", maxDatagram)
		}
		if err == nil && flags&unix.MSG_CTRUNC != 0 {
			err = errors.New("not all of its descriptors arrived: the limit of open files is too low")
		}
		if err == nil {
			err = message.check()
		}
		if err != nil {
			descriptor.CloseAll(message.FDs)
			m.t.Errorf("notifytest: %v: systemd would ignore it: %v", message, err)
			continue
		}
		m.record(message)
	}
}

// record keeps a valid message, and answers it if it is a barrier.
func (m *Manager) record(message Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if message.isBarrier() {
		m.held, message.FDs = append(m.held, message.FDs...), nil
	}
	if m.discard {
		descriptor.CloseAll(message.FDs)
	} else {
		m.messages = append(m.messages, message)
		close(m.arrival)
		m.arrival = make(chan struct{})
	}
	// Only now: a process that sees the answer may look for the messages before it.
	if !m.holding {
		m.answer()
	}
}

// parse makes a Message of a datagram and its control messages. On error the
// Message still holds the descriptors, for the caller to close.
func parse(text, control []byte) (Message, error) {
	message := Message{Text: string(text)}
	controls, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return message, fmt.Errorf("control messages: %w", err)
	}
	for _, c := range controls {
		switch c.Header.Type {
		case unix.SCM_CREDENTIALS:
			cred, err := unix.ParseUnixCredentials(&c)
			if err != nil {
				return message, fmt.Errorf("credentials: %w", err)
			}
			message.PID, message.UID, message.GID = int(cred.Pid), int(cred.Uid), int(cred.Gid)
		case unix.SCM_RIGHTS:
			fds, err := unix.ParseUnixRights(&c)
			if err != nil {
				return message, fmt.Errorf("descriptors: %w", err)
			}
			message.FDs = append(message.FDs, fds...)
		}
	}
	return message, nil
}
