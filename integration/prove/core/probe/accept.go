package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/reload"
)

const (
	acceptPairs = 2000
	// connections of one measurement: enough that reading the clock does not show,
	// few enough that both sides of a pair see the machine in the same mood.
	connections = 25
)

// measureAccept needs a socket named "tracked", as from a .socket unit.
func measureAccept() error {
	svc, err := reload.Open(reload.Config{})
	if err != nil {
		return err
	}
	defer svc.Close()
	tracked, err := svc.Listener("tracked")
	if err != nil {
		return err
	}
	// Without MPTCP, which package net would choose and systemd does not: it costs
	// more than the calls that are measured.
	var plainTCP net.ListenConfig
	plainTCP.SetMultipathTCP(false)
	plain, err := plainTCP.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer plain.Close()

	// Accept waits until the service serves.
	ctx, done := context.WithCancelCause(context.Background())
	go func() {
		samples, err := contest{times: connections, ours: acceptor(tracked), bare: acceptor(plain)}.pairs(acceptPairs)
		if err == nil {
			err = write(map[string][]pair{"accept": samples})
		}
		done(err)
	}()
	if err := svc.Serve(ctx); err != nil {
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// acceptor connects, accepts and closes one connection.
func acceptor(ln net.Listener) func() error {
	to := ln.Addr().(*net.TCPAddr)
	address := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	return func() error {
		if err := acceptOne(ln, address); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
		return nil
	}
}

// acceptOne finds the connection in the backlog, so that nothing waits: it measures
// the system calls, and the cost of the listener on top. The client is three system
// calls, to hide as little of that as possible.
func acceptOne(ln net.Listener, address unix.Sockaddr) error {
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(client)
	// Closed by a reset: no connection stays in TIME_WAIT and uses a port up.
	if err := unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Connect(client, address); err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("connect", err)
	}
	c, err := ln.Accept()
	if err != nil {
		return err
	}
	return c.Close()
}
