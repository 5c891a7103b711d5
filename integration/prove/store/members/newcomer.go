package members

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// welcome lets newcomers come, one after the other, until ctx ends.
func (m *Members) welcome(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		n := &member{tally: m.tally, nick: fmt.Sprintf("new%d", i), room: "foyer"}
		m.visit(ctx, n)
		select {
		case <-ctx.Done():
		case <-time.After(m.config.Newcomers):
		}
	}
}

// visit comes, says a line, and leaves, which takes the server's End to be seen.
func (m *Members) visit(ctx context.Context, n *member) {
	if err := n.connect(ctx, m.config); err != nil {
		return
	}
	defer n.conn.Close()
	m.tally.add(func(c *Counts) { c.Newcomers++ })
	err := n.greet()
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		// The one window there is: accepted, and not yet in the store.
		m.tally.add(func(c *Counts) { c.Unwelcomed++ })
		return
	}
	if err == nil {
		err = n.speak()
	}
	if err != nil {
		m.tally.fail(func(c *Counts) { c.ConnectionsLost++ }, "%s in %s: %v", n.nick, n.room, err)
	}
}

// speak says a line, waits until it is safe, and quits.
func (m *member) speak() error {
	if _, err := fmt.Fprint(m.conn, "1 hello\n"); err != nil {
		return err
	}
	if err := m.conn.SetReadDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	for {
		input, err := m.line()
		if err != nil {
			return fmt.Errorf("waiting for ok: %w", err)
		}
		if input == "ok 1" {
			break
		}
	}
	if _, err := fmt.Fprint(m.conn, "quit\n"); err != nil {
		return err
	}
	for {
		if _, err := m.line(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("waiting for the end: %w", err)
		}
	}
}
