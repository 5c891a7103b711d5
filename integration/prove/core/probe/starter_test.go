package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/activation"
)

// asProgram makes the test binary the program that a starter starts.
const asProgram = "INSTAR_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if err := greet(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// greet answers every connection, until it is killed.
func greet() error {
	set, err := activation.Take()
	if err != nil {
		return err
	}
	ln, err := set.Listener("http")
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintf(c, "PID %d", os.Getpid())
		c.Close()
	}
}

func TestStarter(t *testing.T) {
	t.Setenv(asProgram, "1")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	socket, address := listen(t)
	s := &starter{program: program, sockets: []uintptr{uintptr(socket)}}
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- s.converse(theirs) }()
	tell := func(word string) string {
		t.Helper()
		if err := ours.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(ours, word); err != nil {
			t.Fatal(err)
		}
		reply := make([]byte, 100)
		n, err := ours.Read(reply)
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		return strings.TrimSpace(string(reply[:n]))
	}
	greetings := map[string]bool{}
	for range 2 {
		if got := tell("arm"); got != "armed" {
			t.Errorf("arm: %q", got)
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		var at int64
		if _, err := fmt.Sscan(tell("start"), &at); err != nil || at <= 0 {
			t.Errorf("start: %d, %v", at, err)
		}
		greeting, err := io.ReadAll(c)
		c.Close()
		if want := fmt.Sprintf("PID %d", s.pid); err != nil || string(greeting) != want {
			t.Errorf("the program says %q, %v; want %q", greeting, err, want)
		}
		greetings[string(greeting)] = true
		if got := tell("stop"); got != "stopped" {
			t.Errorf("stop: %q", got)
		}
	}
	if len(greetings) != 2 {
		t.Errorf("two starts gave the processes %v", greetings)
	}
	ours.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStarterRefuses(t *testing.T) {
	s := &starter{program: "/bin/true"}
	for _, word := range []string{"start", "begin", ""} {
		if reply, err := s.obey(word); err == nil {
			t.Errorf("%q: no error but %v", word, reply)
		}
	}
}

func listen(t *testing.T) (fd int, address string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}
