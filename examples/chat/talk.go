package main

import (
	"errors"
	"fmt"

	"github.com/instar-project/instar/fdstore"
)

// errLeft ends a connection by the client's wish.
var errLeft = errors.New("it has left")

// refusal is a client's mistake; the client is told.
type refusal struct{ error }

func refuse(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// heard carries out a client's line. It may be a line that an earlier process was
// killed over, so everything here comes to the same when it is done twice. On an error
// that is no refusal nothing was done.
func (h *hall) heard(c *client, input []byte) error {
	do, err := parse(input)
	if err != nil {
		return refusal{err}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if do.verb == join {
		return h.join(c, do)
	}
	if do.verb == quit {
		return errLeft
	}
	if c.member == nil {
		return refuse("join first")
	}
	if do.verb == got {
		return h.got(c, do.number)
	}
	return h.say(c, do)
}

func (h *hall) join(c *client, do command) error {
	switch {
	case c.member != nil && c.nick == do.nick && c.member.Room == do.room:
		c.welcome = true
		c.wake()
		return nil
	case c.member != nil:
		return refuse("you are %s in %s", c.nick, c.member.Room)
	case h.byNick[do.nick] != nil:
		return refuse("%s is here already", do.nick)
	}
	if h.state.Members[do.nick] != nil { // an attempt to join that failed half-way
		if err := h.change(record{Op: left, Nick: do.nick}); err != nil {
			return err
		}
	}
	if err := h.change(record{Op: joined, Nick: do.nick, Room: do.room}); err != nil {
		return err
	}
	if err := h.connections.Update(c.id, []byte(do.nick)); err != nil {
		return err
	}
	c.nick, c.member = do.nick, h.state.Members[do.nick]
	c.sent, c.welcome = c.member.Read, true
	h.byNick[c.nick] = c
	c.wake()
	return nil
}

func (h *hall) say(c *client, do command) error {
	if do.number > c.member.Said {
		if err := h.change(record{Op: said, Nick: c.nick, N: do.number, Text: do.text}); err != nil {
			return err
		}
		for nick := range h.state.Rooms[c.member.Room].members {
			if other := h.byNick[nick]; other != nil {
				other.wake()
			}
		}
	}
	c.acknowledge = true
	c.wake()
	return nil
}

func (h *hall) got(c *client, k uint64) error {
	if k > h.state.Rooms[c.member.Room].Last {
		return refuse("nothing has the number %d yet", k)
	}
	if k <= c.member.Read {
		return nil
	}
	return h.change(record{Op: read, Nick: c.nick, N: k})
}

// leave ends a client's connection and membership.
func (h *hall) leave(c *client) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.journal == nil {
		return fdstore.ErrStopped
	}
	if c.member != nil {
		if err := h.change(record{Op: left, Nick: c.nick}); err != nil {
			return err
		}
		delete(h.byNick, c.nick)
		c.member = nil
	}
	delete(h.clients, c)
	return errors.Join(h.connections.EndConn(c.id, c.conn), c.conn.Close())
}
