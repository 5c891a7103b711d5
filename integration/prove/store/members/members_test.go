package members

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// standIn is a chat server with one room and one fault, which it has once.
type standIn struct {
	fault string

	mu      sync.Mutex
	number  int
	clients []net.Conn
	faulty  bool // the fault has been
}

// listen serves until the end of the test.
func (s *standIn) listen(t *testing.T) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	return ln.Addr().String()
}

func (s *standIn) serve(c net.Conn) {
	defer c.Close()
	nick := ""
	for lines := bufio.NewScanner(c); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		switch word {
		case "join":
			var room string
			fmt.Sscan(rest, &room, &nick)
			s.clients = append(s.clients, c)
			fmt.Fprintf(c, "joined %s %d\r\n", room, s.number)
		case "got":
		default:
			s.say(c, nick, word, rest)
		}
		s.mu.Unlock()
	}
}

// say does everything once too little, or too much, after a while.
func (s *standIn) say(from net.Conn, nick, n, text string) {
	fault := ""
	if s.number++; s.number > 20 && !s.faulty {
		s.faulty, fault = true, s.fault
	}
	out := func(c net.Conn) { fmt.Fprintf(c, "#%d room0 %s %s\r\n", s.number, nick, text) }
	for i, c := range s.clients {
		switch {
		case i > 0:
		case fault == "lose":
			continue
		case fault == "repeat":
			out(c)
		case fault == "cut":
			fmt.Fprintf(c, "#%d room0 %s %s\n", s.number, nick, text[:len(text)/2])
		case fault == "hang up":
			c.Close()
			continue
		}
		out(c)
	}
	if fault == "duplicate" {
		s.number++
		out(s.clients[0])
	}
	if fault != "say nothing" {
		fmt.Fprintf(from, "ok %s\r\n", n)
	}
}

// Members notice each fault, count it as that, and nothing else.
func TestMembersCount(t *testing.T) {
	for fault, wrong := range map[string]func(c Counts) bool{
		"":            func(c Counts) bool { return c.Lost() || c.Repeated+c.Cut > 0 },
		"lose":        func(c Counts) bool { return c.LinesLost == 0 || c.LinesDuplicated+c.ConnectionsLost > 0 },
		"duplicate":   func(c Counts) bool { return c.LinesDuplicated != 1 || c.LinesLost+c.ConnectionsLost > 0 },
		"repeat":      func(c Counts) bool { return c.Repeated != 1 || c.Lost() },
		"cut":         func(c Counts) bool { return c.Cut != 1 || c.Lost() },
		"hang up":     func(c Counts) bool { return c.ConnectionsLost != 1 },
		"say nothing": func(c Counts) bool { return c.Lost() }, // the next ok says it
	} {
		t.Run(fault, func(t *testing.T) {
			var d net.Dialer
			s := &standIn{fault: fault}
			m, err := Join(t.Context(), Config{
				Dial: d.DialContext, Network: "tcp", Address: s.listen(t), Members: 4, RoomSize: 4, Pause: time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			for m.Counts().Deliveries < 200 {
				time.Sleep(time.Millisecond)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c := m.Stop(ctx)
			if wrong(c) || c.Lines == 0 || c.Lost() && len(c.Failures) == 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// A connection without a listener is refused, and counted.
func TestRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	var d net.Dialer
	n := &member{tally: &tally{}, nick: "n"}
	if err := n.connect(t.Context(), Config{Dial: d.DialContext, Network: "tcp", Address: ln.Addr().String()}); err == nil || n.tally.c.Refused != 1 {
		t.Errorf("%v, %+v", err, n.tally.c)
	}
}
