package reload

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// Sockets describes a socket as package net does.
func TestBound(t *testing.T) {
	testkit.CheckLeaks(t)
	dir := t.TempDir()
	for _, want := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
		&net.TCPAddr{IP: net.IPv6loopback},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
		&net.UnixAddr{Name: filepath.Join(dir, "stream"), Net: "unix"},
		&net.UnixAddr{Name: filepath.Join(dir, "packet"), Net: "unixpacket"},
		&net.UnixAddr{Name: filepath.Join(dir, "datagram"), Net: "unixgram"},
		&net.UnixAddr{Name: "@" + filepath.Base(dir) + t.Name(), Net: "unix"},
	} {
		f, addr := bind(t, want)
		if network, address := bound(int(f.Fd())); network != addr.Network() || address != addr.String() {
			t.Errorf("%s %s shows as %s %s", addr.Network(), addr, network, address)
		}
		f.Close()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if network, address := bound(int(r.Fd())); network != "file" || address != "" {
		t.Errorf("a pipe shows as %s %s", network, address)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if network, _ := bound(fd); network != "netlink" {
		t.Errorf("a netlink socket shows as %s", network)
	}
}

// bind makes a socket bound to an address; the descriptor is the caller's.
func bind(t *testing.T, addr net.Addr) (*os.File, net.Addr) {
	t.Helper()
	if addr.Network() == "udp" || addr.Network() == "unixgram" {
		pc, err := net.ListenPacket(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		f, err := pc.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		return f, pc.LocalAddr()
	}
	ln, err := net.Listen(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	return f, ln.Addr()
}

// A watcher is told once of the changes since it last looked.
func TestWatchCoalesces(t *testing.T) {
	var w watchers
	changes, stop := w.watch()
	w.changed()
	w.changed()
	<-changes
	select {
	case <-changes:
		t.Error("told twice")
	default:
	}
	stop()
	w.changed()
	select {
	case <-changes:
		t.Error("told after stop")
	default:
	}
}

func TestWait(t *testing.T) {
	at := func(phase generation.Phase, attempts, verdict int) *Service {
		s := &Service{}
		s.phase.Store(uint32(phase))
		s.shown.attempts.Store(int64(attempts))
		if verdict != 0 {
			s.verdicts.learn(Verdict{Attempt: verdict})
		}
		return s
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for what, c := range map[string]struct {
		s       *Service
		attempt int
		want    error
	}{
		"it has ended":               {at(generation.Serving, 3, 3), 3, nil},
		"a later one has":            {at(generation.Serving, 3, 3), 2, ErrForgotten},
		"it has not begun":           {at(generation.Serving, 3, 3), 4, context.Canceled},
		"it is under way":            {at(generation.Preparing, 4, 3), 4, context.Canceled},
		"there was none":             {at(generation.Serving, 0, 0), 1, context.Canceled},
		"its verdict is on its way":  {at(generation.Draining, 4, 3), 4, context.Canceled},
		"its process is not main":    {at(generation.Draining, 4, 4), 5, ErrNotMain},
		"the service ends":           {at(generation.Stopping, 4, 3), 4, ErrNotMain},
		"it has ended, in the drain": {at(generation.Draining, 4, 4), 4, nil},
	} {
		v, err := c.s.Wait(over, c.attempt)
		if !errors.Is(err, c.want) || err == nil && v.Attempt != c.attempt {
			t.Errorf("%s: %v, %v; want %v", what, v.Attempt, err, c.want)
		}
	}

	s := at(generation.Preparing, 1, 0)
	go func() {
		s.verdicts.give(Verdict{Attempt: 1})
		s.shown.changed()
	}()
	if v, err := s.Wait(t.Context(), 1); v.Attempt != 1 || err != nil {
		t.Errorf("%v, %v", v.Attempt, err)
	}
}
