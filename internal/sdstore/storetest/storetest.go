// Package storetest stands in for systemd's file descriptor store in tests: a socket
// for $NOTIFY_SOCKET, and behind it a store that keeps and drops descriptors by the
// rules of sd_pid_notify_with_fds(3), in the test's own process.
//
// It drops entries beyond the maximum, and the second of two descriptors of the same open
// file description, without a word, as systemd does; FDSTOREREMOVE=1 removes every entry
// of the name. It does not poll entries, and believes every sender.
package storetest

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/instar-project/instar/internal/descriptor"

	"golang.org/x/sys/unix"
)

// Entry is a descriptor in the store, which owns it.
type Entry struct {
	Name string // FDNAME=
	FD   int
	Poll bool // not FDPOLL=0
}

// Manager is the stand-in. Its methods are safe for concurrent use.
type Manager struct {
	t    testing.TB
	conn *net.UnixConn
	done chan struct{}

	mu      sync.Mutex
	max     int
	entries []Entry
	dropped []string
	hold    bool
	held    []int
}

// Start returns a Manager whose store has room for max entries. It ends with the test.
func Start(t testing.TB, max int) *Manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	m := &Manager{t: t, conn: conn, done: make(chan struct{}), max: max}
	go m.receive()
	t.Cleanup(m.stop)
	return m
}

// Address is the value for NOTIFY_SOCKET.
func (m *Manager) Address() string { return m.conn.LocalAddr().String() }

// Max is FileDescriptorStoreMax=.
func (m *Manager) Max() int { return m.max }

// Names returns the FDNAMEs of the entries, in the order they were stored.
func (m *Manager) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := []string{}
	for _, e := range m.entries {
		names = append(names, e.Name)
	}
	return names
}

// Polled says whether the entry of that FDNAME was stored without FDPOLL=0.
func (m *Manager) Polled(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.entries, func(e Entry) bool { return e.Name == name && e.Poll })
}

// Dropped returns the FDNAMEs of entries that were sent to the store and not kept.
func (m *Manager) Dropped() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.dropped)
}

// Pass returns duplicates of all entries, as the next main process gets them. The
// caller owns them.
func (m *Manager) Pass() []Entry {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var passed []Entry
	for _, e := range m.entries {
		fd, err := descriptor.Duplicate(e.FD, 3)
		if err != nil {
			m.t.Fatalf("storetest: pass %q: %v", e.Name, err)
		}
		e.FD = fd
		passed = append(passed, e)
	}
	return passed
}

// Insert puts a duplicate of fd into the store, as if an earlier version had.
func (m *Manager) Insert(name string, fd int) {
	m.t.Helper()
	dup, err := descriptor.Duplicate(fd, 3)
	if err != nil {
		m.t.Fatalf("storetest: insert %q: %v", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, Entry{Name: name, FD: dup, Poll: true})
}

// HoldBarriers leaves barriers unanswered: systemd is busy.
func (m *Manager) HoldBarriers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold = true
}

// ReleaseBarriers answers those held, and those to come.
func (m *Manager) ReleaseBarriers() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold = false
	descriptor.CloseAll(m.held)
	m.held = nil
}

func (m *Manager) stop() {
	m.conn.Close()
	<-m.done
	m.mu.Lock()
	defer m.mu.Unlock()
	descriptor.CloseAll(m.held)
	for _, e := range m.entries {
		unix.Close(e.FD)
	}
}

func (m *Manager) receive() {
	defer close(m.done)
	text, control := make([]byte, 4096), make([]byte, unix.CmsgSpace(4*253))
	for {
		n, controlLen, flags, _, err := m.conn.ReadMsgUnix(text, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
			err = errors.New("the message was cut short")
		}
		var fds []int
		if err == nil {
			fds, err = descriptor.Rights(control[:controlLen])
		}
		if err != nil {
			m.t.Errorf("storetest: receive: %v", err)
			return
		}
		m.handle(strings.Split(string(text[:n]), "\n"), fds)
	}
}

// handle treats these assignments as systemd's service_notify_message does.
func (m *Manager) handle(lines []string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := "stored"
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = value
		}
	}
	switch {
	case slices.Contains(lines, "BARRIER=1"):
		if m.hold {
			m.held = append(m.held, fds...)
			return
		}
		descriptor.CloseAll(fds)
	case slices.Contains(lines, "FDSTOREREMOVE=1"):
		m.entries = slices.DeleteFunc(m.entries, func(e Entry) bool {
			if e.Name == name {
				unix.Close(e.FD)
			}
			return e.Name == name
		})
	case slices.Contains(lines, "FDSTORE=1"):
		for _, fd := range fds {
			m.store(Entry{Name: name, FD: fd, Poll: !slices.Contains(lines, "FDPOLL=0")})
		}
	default:
		descriptor.CloseAll(fds)
	}
}

func (m *Manager) store(e Entry) {
	known := slices.ContainsFunc(m.entries, func(have Entry) bool { return sameFile(have.FD, e.FD) })
	if known || len(m.entries) >= m.max {
		m.dropped = append(m.dropped, e.Name)
		unix.Close(e.FD)
		return
	}
	m.entries = append(m.entries, e)
}

// sameFile is kcmp(2) with KCMP_FILE.
func sameFile(a, b int) bool {
	pid := uintptr(unix.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, 0, uintptr(a), uintptr(b), 0)
	return errno == 0 && order == 0
}
