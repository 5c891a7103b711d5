package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/fdstore"
)

// Nanoseconds of one operation, a sample for each round. The columns of a round were
// measured in turns.
type rates struct {
	Append    []float64 `json:"append"`     // Journal.Append of 100 bytes
	Write     []float64 `json:"write"`      // write(2) of as many as it writes
	Send      []float64 `json:"send"`       // sendmsg(2) with one descriptor
	SendPlain []float64 `json:"send_plain"` // sendmsg(2) without
	Add       []float64 `json:"add"`        // Bundle.AddConn, at 18,000
	AddFD     []float64 `json:"add_fd"`     // Bundle.Add, at 18,000
	Remove    []float64 `json:"remove"`     // Bundle.Remove of somebody else, at 18,000
	Few       []float64 `json:"few"`        // AddConn and Remove of somebody else, at 1,000
	Many      []float64 `json:"many"`       // the same, at 18,000
}

const (
	rounds     = 40
	appends    = 2000 // of a round
	changes    = 250  // of a turn: fewer than fill a socket's queue
	turns      = 16   // of a round, so that a bundle's occasional work has its share in each
	fewStored  = 1000
	manyStored = 18000
)

func (p *probe) rates(ctx context.Context, _ []string) (string, error) {
	var r rates
	for _, measure := range []func(context.Context, *rates) error{p.journalRates, p.bundleRates} {
		if err := measure(ctx, &r); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(r)
	return string(text), err
}

// each is how long one of n takes.
func each(n int, do func(i int) error) (nanoseconds float64, err error) {
	begin := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(begin)) / float64(n), nil
}

func (p *probe) journalRates(ctx context.Context, r *rates) error {
	j, err := p.store.Journal(ctx, "rates", fdstore.JournalConfig{})
	if err != nil {
		return err
	}
	bare, err := unix.MemfdCreate("bare", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(bare)
	if _, err := unix.FcntlInt(uintptr(bare), unix.F_SETFL, unix.O_RDWR|unix.O_APPEND); err != nil {
		return err
	}
	record := make([]byte, 100)
	before := j.Size()
	if err := j.Append(record); err != nil {
		return err
	}
	framed := make([]byte, j.Size()-before)
	for range rounds {
		ours, err := each(appends, func(int) error { return j.Append(record) })
		if err != nil {
			return err
		}
		theirs, err := each(appends, func(int) error { _, err := unix.Write(bare, framed); return err })
		if err != nil {
			return err
		}
		r.Append, r.Write = append(r.Append, ours), append(r.Write, theirs)
	}
	return j.Close()
}

// crowd is a bundle with so many connections in it.
type crowd struct {
	bundle *fdstore.Bundle
	ids    []fdstore.ID
	next   int
	fresh  []fdstore.ID // added, and not in ids yet
}

func (p *probe) crowd(ctx context.Context, name string, conns []*os.File) (*crowd, error) {
	b, err := p.store.Bundle(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &crowd{bundle: b}
	for _, conn := range conns {
		if err := c.add(conn); err != nil {
			return nil, err
		}
	}
	c.ids, c.fresh = c.fresh, nil
	return c, nil
}

var label = []byte("192.0.2.1:12345 nickname")

func (c *crowd) add(conn *os.File) error {
	id, err := c.bundle.AddConn(conn, label)
	c.fresh = append(c.fresh, id)
	return err
}

func (c *crowd) addFD(fd int) error {
	id, err := c.bundle.Add(fd, label)
	c.fresh = append(c.fresh, id)
	return err
}

// remove removes a random member, and puts the last one in its place.
func (c *crowd) remove() error {
	if err := c.bundle.Remove(c.ids[c.next]); err != nil {
		return err
	}
	last := len(c.fresh) - 1
	c.ids[c.next], c.fresh = c.fresh[last], c.fresh[:last]
	c.next = (c.next + 7919) % len(c.ids) // a prime: it comes to everybody
	return nil
}

func (c *crowd) swap(conn *os.File) error {
	if err := c.add(conn); err != nil {
		return err
	}
	return c.remove()
}

func (p *probe) bundleRates(ctx context.Context, r *rates) error {
	conns := make([]*os.File, 0, manyStored)
	defer func() {
		for _, conn := range conns {
			conn.Close()
		}
	}()
	for range manyStored {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%d sockets: %w", manyStored, err)
		}
		conns = append(conns, os.NewFile(uintptr(fd), "connection"))
	}
	few, err := p.crowd(ctx, "few", conns[:fewStored])
	if err != nil {
		return err
	}
	many, err := p.crowd(ctx, "many", conns)
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	fds := make([]int, changes)
	for i := range fds {
		fds[i] = int(conns[i].Fd())
	}
	bare := sender{to: pair[0], from: pair[1], data: make([]byte, 32+len(label)), rights: unix.UnixRights(fds[0])}
	columns := []struct {
		into *[]float64
		do   func(i int) error
	}{
		{&r.Add, func(i int) error { return many.add(conns[i]) }},
		{&r.Send, func(int) error { return bare.send(bare.rights) }},
		{&r.Remove, func(int) error { return many.remove() }},
		{&r.SendPlain, func(int) error { return bare.send(nil) }},
		{&r.AddFD, func(i int) error { return many.addFD(fds[i]) }},
		{nil, func(int) error { return many.remove() }},
		{&r.Few, func(i int) error { return few.swap(conns[i]) }},
		{&r.Many, func(i int) error { return many.swap(conns[i]) }},
	}
	for range rounds {
		samples := make([]float64, len(columns))
		for range turns {
			for i, c := range columns {
				ns, err := each(changes, c.do)
				if err != nil {
					return err
				}
				samples[i] += ns / turns
				if err := bare.drain(); err != nil {
					return err
				}
			}
		}
		for i, c := range columns {
			if c.into != nil {
				*c.into = append(*c.into, samples[i])
			}
		}
	}
	return nil
}

// sender is the bare system call, with a queue that is emptied off the clock.
type sender struct {
	to, from     int
	data, rights []byte
}

func (s *sender) send(rights []byte) error {
	_, err := unix.SendmsgN(s.to, s.data, rights, nil, unix.MSG_DONTWAIT)
	return err
}

func (s *sender) drain() error {
	for {
		// A plain read drops the descriptors.
		_, _, err := unix.Recvfrom(s.from, make([]byte, len(s.data)), unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
