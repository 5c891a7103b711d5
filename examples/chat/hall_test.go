package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/instar-project/instar/fdstore/storetest"
	"github.com/instar-project/instar/reload"
)

// process is a hall with a store of its own, as a process of the service has it.
type process struct {
	*hall
	t   *testing.T
	end func()
}

// start starts the next process on the entries of the store.
func start(t *testing.T, service *storetest.Service) *process {
	t.Helper()
	store := service.Process("")
	p := &process{hall: newHall(), t: t}
	if err := p.Adopt(t.Context(), store, reload.FromCrash); err != nil {
		t.Fatal(err)
	}
	p.end = func() {
		if err := p.Park(t.Context(), store); err != nil {
			t.Error(err)
		}
	}
	return p
}

// person is somebody at the other end of a connection.
type person struct {
	t *testing.T
	net.Conn
	*bufio.Reader
}

// comes connects somebody.
func (p *process) comes() *person {
	p.t.Helper()
	server, client := connected(p.t, "tcp")
	p.admit(server)
	return &person{p.t, client, bufio.NewReader(client)}
}

func (p *person) says(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.Conn, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

// hears waits for these lines, and no others. "" is a lone LF.
func (p *person) hears(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if err := p.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			p.t.Fatal(err)
		}
		if w != "" {
			w += "\r"
		}
		if got, err := p.ReadString('\n'); err != nil || got != w+"\n" {
			p.t.Fatalf("hears %q, %v; want %q", got, err, w)
		}
	}
}

// ends waits for the end of the connection, which the store no longer has then.
func (p *person) ends() {
	p.t.Helper()
	if text, err := p.ReadString('\n'); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Errorf("the connection goes on: %q, %v", text, err)
	}
}

func TestHall(t *testing.T) {
	m := storetest.New(t, 16)
	p := start(t, m)
	ada, bob := p.comes(), p.comes()
	ada.says("join lobby ada")
	ada.hears("joined lobby 0")
	bob.says("join lobby bob")
	bob.hears("joined lobby 0")
	ada.says("1 hello")
	ada.hears("ok 1", "#1 lobby ada hello")
	bob.hears("#1 lobby ada hello")
	bob.says("got 1")
	bob.says("1 hi")
	bob.hears("ok 1", "#2 lobby bob hi")
	ada.hears("#2 lobby bob hi")

	// No client notices the end of the process, and a half line of then is whole later.
	if _, err := ada.Write([]byte("2 half ")); err != nil {
		t.Fatal(err)
	}
	stranger := p.comes()
	p.end()
	ada.says("a line")
	p = start(t, m)
	stranger.hears("")
	bob.hears("", "joined lobby 1", "ok 1", "#2 lobby bob hi", "#3 lobby ada half a line")
	// Whether ada's line or her resumption is first is for the goroutines to decide.
	ada.hears("", "joined lobby 0")
	first, err := ada.ReadString('\n')
	if err != nil || first != "ok 1\r\n" && first != "ok 2\r\n" {
		t.Fatalf("ada hears %q, %v", first, err)
	}
	ada.hears("#1 lobby ada hello", "#2 lobby bob hi")
	if first == "ok 1\r\n" {
		ada.hears("ok 2")
	}
	ada.hears("#3 lobby ada half a line")

	// The same again is the same line, for a client that was not sure.
	ada.says("2 half a line")
	ada.hears("ok 2")
	ada.says("join lobby ada")
	ada.hears("joined lobby 0")

	stranger.says("join lobby ada")
	stranger.hears("error ada is here already")
	stranger.ends()
	ada.says("got 99")
	ada.hears("error nothing has the number 99 yet")
	ada.ends()
	bob.says("quit")
	bob.ends()
	p.end()
	p = start(t, m)
	defer p.end()
	if len(p.state.Members)+len(p.clients)+p.connections.Len() != 0 {
		t.Errorf("left: %v, %d clients, %d connections", p.state.Members, len(p.clients), p.connections.Len())
	}
}

// The next process puts in order what a death between two steps leaves behind.
func TestHalfWay(t *testing.T) {
	m := storetest.New(t, 16)
	p := start(t, m)
	ada, bob := p.comes(), p.comes()
	ada.says("join lobby ada")
	ada.hears("joined lobby 0")
	p.mu.Lock()
	// bob: in the journal, and no label yet; the line is still in his socket.
	if err := p.change(record{Op: joined, Nick: "bob", Room: "lobby"}); err != nil {
		t.Fatal(err)
	}
	// ada: gone by the journal, and her connection not ended yet.
	if err := p.change(record{Op: left, Nick: "ada"}); err != nil {
		t.Fatal(err)
	}
	p.byNick["ada"].member = nil
	p.mu.Unlock()
	p.end()
	bob.says("join lobby bob")
	p = start(t, m)
	bob.hears("")
	bob.hears("joined lobby 0")
	ada.ends()
	p.end()
}

// The journal stays small, however much is said, and nothing is lost by that.
func TestRotation(t *testing.T) {
	m := storetest.New(t, 16)
	p := start(t, m)
	ada := p.comes()
	ada.says("join lobby ada")
	ada.hears("joined lobby 0")
	p.mu.Lock()
	begin := p.journal.Size()
	text := strings.Repeat("x", 900)
	n := uint64(0)
	for most := begin; p.journal.Size() >= most; n++ {
		most = p.journal.Size()
		for _, r := range []record{{Op: said, Nick: "ada", N: n + 1, Text: text}, {Op: read, Nick: "ada", N: n}} {
			if err := p.change(r); err != nil {
				t.Fatal(err)
			}
		}
		if most > journalSize {
			t.Fatalf("the journal has %d bytes", most)
		}
	}
	p.mu.Unlock()
	p.end()
	p = start(t, m)
	defer p.end()
	if got := p.state.Members["ada"].Said; got != n {
		t.Errorf("after the rotation ada has said %d lines, want %d", got, n)
	}
}
