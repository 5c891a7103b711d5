package main

import (
	"bytes"
	"errors"
	"log/slog"
	"time"

	"github.com/instar-project/instar/fdstore"
)

// client is one connection. Its messages are not queued but read off the state, so a
// client that does not read costs no memory.
type client struct {
	hall *hall
	conn conn
	id   fdstore.ID

	// The rest is guarded by hall.mu.
	nick   string  // "": it has not joined
	member *member // nil: likewise
	sent   uint64  // number of the last line of the room that was written

	adopted     bool // an earlier process may have been killed within a line
	welcome     bool // it is to be told that it has joined
	acknowledge bool // and that its lines are safe

	news chan struct{} // capacity 1: there is something to tell
	done chan struct{} // closed when the reader has ended
}

// start starts the client's two goroutines. h.mu is held.
func (h *hall) start(c *client) {
	c.news, c.done = make(chan struct{}, 1), make(chan struct{})
	c.wake()
	h.running.Go(c.read)
	h.running.Go(c.write)
}

// wake lets the writer look for something to tell.
func (c *client) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// interrupt wakes the goroutines.
func (c *client) interrupt() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }

// read carries out the client's lines until it leaves. When the hall is parked it
// ends as well, and leave knows it: the next process goes on from here.
func (c *client) read() {
	defer close(c.done)
	err := c.listen()
	if r := (refusal{}); errors.As(err, &r) {
		_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.conn.Write(appendError(nil, r))
	}
	err = untilKept(func() error { return c.hall.leave(c) })
	if err != nil && !errors.Is(err, fdstore.ErrStopped) {
		slog.Error("a connection cannot be ended", "nick", c.nick, "error", err)
	}
}

// listen returns why there is nothing more to hear.
func (c *client) listen() error {
	lines, err := newPeeker(c.conn)
	if err != nil {
		return err
	}
	for {
		input, err := lines.next()
		if err != nil {
			return err
		}
		taken := 0
		for l := range bytes.Lines(input) {
			err = untilKept(func() error { return c.hall.heard(c, bytes.TrimRight(l, "\r\n")) })
			if err != nil {
				break
			}
			taken += len(l)
		}
		if failed := lines.take(taken); err == nil {
			err = failed
		}
		if err != nil {
			return err
		}
	}
}

// untilKept tries again for as long as the journal is full, which it is when systemd has
// been too busy for a rotation. Meanwhile the client's lines stay in the socket.
func untilKept(try func() error) error {
	for {
		err := try()
		if !errors.Is(err, fdstore.ErrFull) {
			return err
		}
		time.Sleep(rotateTimeout)
	}
}

// write sends the client its messages.
func (c *client) write() {
	var b []byte
	for {
		if b = c.tell(b[:0]); len(b) > 0 {
			if _, err := c.conn.Write(b); err != nil {
				c.interrupt() // the reader as well
				return
			}
			continue
		}
		select {
		case <-c.news:
		case <-c.done:
			return
		}
	}
}

// maxWrite is roughly the size of a write.
const maxWrite = 64 << 10

// tell appends the messages for the client.
func (c *client) tell(b []byte) []byte {
	h := c.hall
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.journal == nil {
		return b
	}
	if c.adopted {
		c.adopted = false
		b = appendCut(b)
	}
	if c.member == nil {
		return b
	}
	if c.welcome {
		c.welcome = false
		b = appendJoined(b, c.member.Room, c.member.Read)
	}
	if c.acknowledge {
		c.acknowledge = false
		b = appendOK(b, c.member.Said)
	}
	in := h.state.Rooms[c.member.Room]
	first, lines := in.after(c.sent)
	for i, l := range lines {
		if len(b) > maxWrite {
			break
		}
		c.sent = first + uint64(i)
		b = appendLine(b, c.sent, c.member.Room, l)
	}
	return b
}
