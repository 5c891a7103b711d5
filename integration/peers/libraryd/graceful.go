package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/instar-project/instar/reload"
)

// running is a server of a library that has a graceful end.
type running struct {
	serve  func() error
	finish func(context.Context) error
	stop   func() error
}

func graceful(svc *reload.Service, ln net.Listener, start func(net.Listener) running) reload.Server {
	return &restarting{announce: svc.Begin, end: make(chan struct{}), close: ln.Close, start: func() (running, func()) {
		lent := &lentListener{Listener: ln}
		type deadline interface{ SetDeadline(time.Time) error }
		ln.(deadline).SetDeadline(time.Time{})
		return start(lent), func() { ln.(deadline).SetDeadline(time.Unix(1, 0)) }
	}}
}

func gracefulPackets(svc *reload.Service, pc net.PacketConn, start func(net.PacketConn) running) reload.Server {
	return &restarting{announce: svc.Begin, end: make(chan struct{}), close: pc.Close, start: func() (running, func()) {
		pc.SetReadDeadline(time.Time{})
		return start(lentPacketConn{pc}), func() {}
	}}
}

type lentListener struct{ net.Listener }

func (l *lentListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		err = net.ErrClosed
	}
	return c, err
}
func (l *lentListener) Close() error { return nil }

type lentPacketConn struct{ net.PacketConn }

func (lentPacketConn) Close() error { return nil }

type restarting struct {
	announce func() (done func())
	start    func() (running, func())
	close    func() error
	end      chan struct{}

	mu   sync.Mutex
	now  running
	halt func()
	fail chan error
}

func (s *restarting) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.halt = s.start()
	now := s.now
	go func() { _ = now.serve() }()
}

func (s *restarting) Serve() error {
	s.begin()
	<-s.end
	return nil
}

func (s *restarting) Drain(reload.Drain) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now
	s.halt()
	done := s.announce() // the library may be at work without a connection
	go func() {
		defer done()
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		_ = now.finish(ctx)
	}()
}

func (s *restarting) Resume() { time.Sleep(10 * time.Millisecond); s.begin() }

func (s *restarting) Close() error {
	close(s.end)
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	_ = s.close()
	return now.stop()
}
