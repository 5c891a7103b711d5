package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/notify"
)

var parking = map[string]command{
	"accept":  {1, (*probe).accept},
	"bundle":  {1, (*probe).parkBundle},
	"plain":   {0, (*probe).parkPlain},
	"recover": {1, (*probe).recover},
	"half":    {1, (*probe).half},
	"rates":   {0, (*probe).rates},
}

const (
	bundleName = "parked"
	plainName  = "p" // short: systemd passes it once for each descriptor, in one variable

	// labelSize is the size of each client's first message, which it gets back
	// later.
	labelSize = 4

	// maxRights is SCM_MAX_FD.
	maxRights = 253
)

// accept takes connections and their labels.
func (p *probe) accept(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	for range n {
		c, err := p.connections.Accept()
		if err != nil {
			return "", err
		}
		label := make([]byte, labelSize)
		if _, err := io.ReadFull(c, label); err != nil {
			return "", err
		}
		p.accepted, p.labels = append(p.accepted, c), append(p.labels, label)
	}
	return "", nil
}

// descriptors are the numbers of the accepted connections' own descriptors: borrowed.
func (p *probe) descriptors() ([]int, error) {
	var fds []int
	for _, c := range p.accepted {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			return nil, err
		}
		if err := raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) }); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

// Took is how long each round has taken, in nanoseconds.
type took struct {
	Nanoseconds []int64 `json:"nanoseconds"`
	Count       int     `json:"count"`
}

func (t took) String() string {
	text, err := json.Marshal(t)
	if err != nil {
		panic(err) // it is numbers
	}
	return string(text)
}

// parkBundle makes a bundle of all of them; all but the last one it removes again.
func (p *probe) parkBundle(ctx context.Context, args []string) (string, error) {
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	fds, err := p.descriptors()
	if err != nil {
		return "", err
	}
	items := make([]fdstore.Item, len(fds))
	for i, fd := range fds {
		items[i] = fdstore.Item{FD: fd, Label: p.labels[i]}
	}
	t := took{Count: len(items)}
	for round := range rounds {
		if round > 0 {
			if err := p.store.Remove(ctx, bundleName); err != nil {
				return "", err
			}
		}
		begin := time.Now()
		b, err := p.store.Bundle(ctx, bundleName)
		if err != nil {
			return "", err
		}
		if _, err := b.AddBatch(items); err != nil {
			return "", err
		}
		t.Nanoseconds = append(t.Nanoseconds, int64(time.Since(begin)))
		if err := b.Close(); err != nil {
			return "", err
		}
	}
	return t.String(), nil
}

// parkPlain stores them as entries of their own, in as few datagrams as there can be.
func (p *probe) parkPlain(ctx context.Context, _ []string) (string, error) {
	fds, err := p.descriptors()
	if err != nil {
		return "", err
	}
	begin := time.Now()
	for chunk := range slices.Chunk(fds, maxRights) {
		if err := p.notifier.Send(notify.FDStoreNoPoll(plainName, chunk...)); err != nil {
			return "", err
		}
	}
	if err := p.notifier.Barrier(ctx); err != nil {
		return "", err
	}
	return took{[]int64{int64(time.Since(begin))}, len(fds)}.String(), nil
}

// recover takes back the connections of an earlier process. Plain entries are there
// when activation.Take returns; a bundle is read, which can be done again and again.
func (p *probe) recover(ctx context.Context, args []string) (string, error) {
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	if len(p.plain) > 0 {
		for _, e := range p.plain {
			if err := tell(e.FD, make([]byte, labelSize)); err != nil {
				return "", err
			}
			unix.Close(e.FD)
		}
		return took{[]int64{int64(p.taking)}, len(p.plain)}.String(), nil
	}
	t := took{}
	for round := range rounds {
		begin := time.Now()
		b, err := p.store.Bundle(ctx, bundleName)
		if err != nil {
			return "", err
		}
		var items []fdstore.Item
		for item, err := range b.Recover() {
			if err != nil {
				return "", err
			}
			items = append(items, item)
		}
		t.Nanoseconds, t.Count = append(t.Nanoseconds, int64(time.Since(begin))), len(items)
		for _, item := range items {
			if round == rounds-1 {
				if err := tell(item.FD, item.Label); err != nil {
					return "", err
				}
			}
			unix.Close(item.FD)
		}
		if err := b.Close(); err != nil {
			return "", err
		}
	}
	return t.String(), nil
}

// tell sends a connection its label.
func tell(fd int, label []byte) error {
	if _, err := unix.Write(fd, label); err != nil {
		return fmt.Errorf("tell %x: %w", label, err)
	}
	return nil
}

// half dies in the middle of a recovery.
func (p *probe) half(ctx context.Context, args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	b, err := p.store.Bundle(ctx, bundleName)
	if err != nil {
		return "", err
	}
	for _, err := range b.Recover() {
		if err != nil {
			return "", err
		}
		if n--; n < 0 {
			return p.die(ctx, nil)
		}
	}
	return "", errors.New("there are not so many")
}
