package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/fdstore"
)

// Nanoseconds of one operation, a sample for each round. The columns of a round were
// measured right after each other.
type rates struct {
	Append    []float64 `json:"append"`     // Journal.Append of 100 bytes
	Write     []float64 `json:"write"`      // write(2) of as many as it writes
	Add       []float64 `json:"add"`        // Bundle.Add, at 1,000
	Send      []float64 `json:"send"`       // sendmsg(2) with one descriptor
	Remove    []float64 `json:"remove"`     // Bundle.Remove, at 1,000
	SendPlain []float64 `json:"send_plain"` // sendmsg(2) without
	Few       []float64 `json:"few"`        // Add and Remove of somebody else, at 1,000
	Many      []float64 `json:"many"`       // the same, at 18,000
}

const (
	rounds     = 40
	appends    = 2000 // of a round
	changes    = 250  // of a round: fewer than fill a socket's queue
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

// crowd is a bundle with so many sockets in it.
type crowd struct {
	bundle *fdstore.Bundle
	ids    []fdstore.ID
	next   int
}

func (p *probe) crowd(ctx context.Context, name string, fds []int) (*crowd, error) {
	b, err := p.store.Bundle(ctx, name)
	if err != nil {
		return nil, err
	}
	items := make([]fdstore.Item, len(fds))
	for i, fd := range fds {
		items[i] = fdstore.Item{FD: fd, Label: label}
	}
	ids, err := b.AddBatch(items)
	return &crowd{bundle: b, ids: ids}, err
}

var label = []byte("192.0.2.1:12345 nickname")

// swap lets one come and another one, that has been there for any time, leave.
func (c *crowd) swap(fd int) error {
	id, err := c.bundle.Add(fd, label)
	if err != nil {
		return err
	}
	if err := c.bundle.Remove(c.ids[c.next]); err != nil {
		return err
	}
	c.ids[c.next] = id
	c.next = (c.next + 7919) % len(c.ids) // a prime: it comes to everybody
	return nil
}

func (p *probe) bundleRates(ctx context.Context, r *rates) error {
	fds := make([]int, 0, manyStored)
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for range manyStored {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("%d sockets: %w", manyStored, err)
		}
		fds = append(fds, fd)
	}
	few, err := p.crowd(ctx, "few", fds[:fewStored])
	if err != nil {
		return err
	}
	many, err := p.crowd(ctx, "many", fds)
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	bare := sender{to: pair[0], from: pair[1], data: make([]byte, 32+len(label)), rights: unix.UnixRights(fds[0])}
	for range rounds {
		ids := make([]fdstore.ID, changes)
		var samples [6]float64
		for i, do := range []func(i int) error{
			func(i int) (err error) { ids[i], err = few.bundle.Add(fds[i], label); return err },
			func(int) error { return bare.send(bare.rights) },
			func(i int) error { return few.bundle.Remove(ids[i]) },
			func(int) error { return bare.send(nil) },
			func(i int) error { return few.swap(fds[i]) },
			func(i int) error { return many.swap(fds[i]) },
		} {
			if samples[i], err = each(changes, do); err != nil {
				return err
			}
			if err := bare.drain(); err != nil {
				return err
			}
		}
		for i, into := range []*[]float64{&r.Add, &r.Send, &r.Remove, &r.SendPlain, &r.Few, &r.Many} {
			*into = append(*into, samples[i])
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
