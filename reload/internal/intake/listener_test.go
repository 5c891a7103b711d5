package intake

import (
	"io"
	"net"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
)

// Package net and applications look for these methods.
type (
	closeWriter interface{ CloseWrite() error }
	fullTCP     interface {
		net.Conn
		syscall.Conn
		io.ReaderFrom
		io.WriterTo
		closeWriter
		SetNoDelay(bool) error
	}
	fullUnix interface {
		net.Conn
		syscall.Conn
		closeWriter
		ReadMsgUnix(b, oob []byte) (n, oobn, flags int, addr *net.UnixAddr, err error)
		WriteMsgUnix(b, oob []byte, addr *net.UnixAddr) (n, oobn int, err error)
	}
)

func TestAcceptedConnectionsKeepTheirMethods(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			testkit.CheckLeaks(t)
			address := "127.0.0.1:0"
			if network != "tcp" {
				address = filepath.Join(t.TempDir(), "s")
			}
			inner, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			s := gated()
			ln := s.Listener("x", inner)
			defer ln.Close()
			s.gate.Open()
			client := dial(t, ln)
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			switch network {
			case "tcp":
				_, ok := c.(fullTCP)
				if !ok {
					t.Errorf("%T lacks a method of *net.TCPConn", c)
				}
			default:
				if _, ok := c.(fullUnix); !ok {
					t.Errorf("%T lacks a method of *net.UnixConn", c)
				}
			}
			if inner, want := c.(interface{ NetConn() net.Conn }).NetConn(), reflect.TypeOf(client); reflect.TypeOf(inner) != want {
				t.Errorf("inside is a %T, want %v", inner, want)
			}
			if s.Connections() != 1 {
				t.Errorf("%d connections", s.Connections())
			}
			// A half-closed connection is still in flight.
			if err := c.(closeWriter).CloseWrite(); err != nil {
				t.Error(err)
			}
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the client sees %v, want %v", err, io.EOF)
			}
			if s.Connections() != 1 {
				t.Errorf("%d connections after CloseWrite", s.Connections())
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err == nil {
				t.Error("a second Close is no error, as it is in package net")
			}
			if s.Connections() != 0 {
				t.Errorf("%d connections after two calls of Close", s.Connections())
			}
		})
	}
}

func TestNetListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := gated().Listener("x", inner)
	defer ln.Close()
	if ln.NetListener() != inner {
		t.Errorf("inside is a %T", ln.NetListener())
	}
}
