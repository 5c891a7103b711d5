package fdstore

import (
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/instar-project/instar/internal/descriptor"
)

// A message that is written again needs its descriptors. For those added since the last
// packing, and for every connection that was passed to AddConn and is still open, this
// process has descriptors of its own. The others are read from the queue.

// lends says whether the bundle may keep conn and ask for its descriptor later.
// The types of package net and package os only count their users, so many can be asked at
// once, at any time; another [syscall.Conn] may not allow that.
func lends(conn syscall.Conn) bool {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn, *os.File:
		return true
	}
	return false
}

// carrier gathers the descriptors of the opAdds that keep returns for messages.
type carrier struct {
	queue   *queue
	wanted  []wanted
	fds     []int // of those that are wanted, in the same order
	read    []int // those that had to be read from the queue
	message int   // that was read last
	first   int   // its descriptors begin there
}

// wanted is a descriptor: number add of a message.
type wanted struct {
	entry        *entry
	message, add int
}

// carry calls do with the descriptors, which are borrowed.
func (c *carrier) carry(q *queue, messages []queued, do func(fds []int) error) error {
	c.queue, c.wanted, c.read, c.message = q, c.wanted[:0], c.read[:0], -1
	for i, m := range messages {
		add := 0
		for _, k := range m.marks {
			if k.current(m.seq) {
				c.wanted = append(c.wanted, wanted{k.entry, i, add})
			}
			if k.kind == opAdd {
				add++
			}
		}
	}
	c.fds = slices.Grow(c.fds[:0], len(c.wanted))[:len(c.wanted)]
	err := c.gather(0, do)
	descriptor.CloseAll(c.read)
	clear(c.wanted) // so that it keeps no entry alive
	return err
}

// gather adds the descriptors from number n on, and calls do. A connection has to be
// held open until do returns: the rest happens inside of its call.
func (c *carrier) gather(n int, do func(fds []int) error) (err error) {
	for ; n < len(c.wanted); n++ {
		w := &c.wanted[n]
		if w.entry.conn != nil {
			lent := false
			// An error says the same as not being called: it has been closed.
			_ = w.entry.conn.Control(func(fd uintptr) {
				lent = true
				c.fds[n] = int(fd)
				err = c.gather(n+1, do)
			})
			if lent {
				return err
			}
			w.entry.conn = nil
		}
		if c.fds[n] = w.entry.fd; c.fds[n] >= 0 {
			continue
		}
		if c.message != w.message {
			fds, err := c.queue.descriptors(w.message)
			if err != nil {
				return err
			}
			c.message, c.first = w.message, len(c.read)
			c.read = append(c.read, fds...)
		}
		c.fds[n] = c.read[c.first+w.add]
	}
	return do(c.fds)
}
