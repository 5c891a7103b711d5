package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// connected returns both ends of a connection of each kind.
func connected(t *testing.T, network string) (server, client net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/socket"
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

func TestPeek(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			server, client := connected(t, network)
			say := func(text string) {
				if _, err := io.WriteString(client, text); err != nil {
					t.Fatal(err)
				}
			}
			// next is the first line that a new process sees.
			next := func() (string, error) {
				p, err := newPeeker(server.(conn))
				if err != nil {
					t.Fatal(err)
				}
				lines, err := p.next()
				return string(lines), err
			}
			say("one\nhalf of")
			for range 3 {
				if lines, err := next(); err != nil || lines != "one\n" {
					t.Fatalf("%q, %v", lines, err)
				}
			}
			p, err := newPeeker(server.(conn))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.next(); err != nil {
				t.Fatal(err)
			}
			if err := p.take(len("one\n")); err != nil {
				t.Fatal(err)
			}
			// The rest comes while somebody waits for it.
			go io.WriteString(client, " two\n")
			if lines, err := p.next(); err != nil || string(lines) != "half of two\n" {
				t.Fatalf("%q, %v", lines, err)
			}
			if err := p.take(len("half of two\n")); err != nil {
				t.Fatal(err)
			}
			// A line that will never be whole.
			say("three")
			go client.Close()
			if lines, err := p.next(); !errors.Is(err, io.EOF) {
				t.Fatalf("%q, %v, want io.EOF", lines, err)
			}
		})
	}
}

func TestPeekTooLong(t *testing.T) {
	server, client := connected(t, "tcp")
	go io.WriteString(client, strings.Repeat("x", maxInput))
	p, err := newPeeker(server.(conn))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.next(); !errors.Is(err, errTooLong) {
		t.Errorf("%v, want errTooLong", err)
	}
}
