package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/reload"
)

// counter is the state of this service, and its [reload.Keeper]: a number that
// only grows. It is in the store twice, so that both kinds of entry are proven:
// every increment is a record of a journal, and Park writes a blob. Whichever
// is higher holds.
type counter struct {
	injector *inject.Injector
	hangs    bool // Park does

	mu      sync.Mutex
	total   total
	journal *fdstore.Journal // nil: parked
}

// total is the state that is kept.
type total struct {
	Born  string `json:"born"` // made once: another one means that the state was lost
	Count int    `json:"count"`
}

const (
	totalName   = "total"
	totalSchema = 1
)

var errParked = errors.New("the counter is parked")

func (c *counter) Adopt(ctx context.Context, store *fdstore.Store, from reload.Origin) (err error) {
	if fault == "unadoptable" && from == reload.FromUpgrade {
		return errors.New("this build does not understand the state")
	}
	if fault == "slowback" && from == reload.FromTakeBack {
		<-ctx.Done() // after ReadyTimeout
	}
	c.injector.Hang(inject.HangAdopt)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.injector.Writes(true)
	switch total, _, err := fdstore.Load[total](store, totalName, totalSchema); {
	case err == nil:
		c.total = total
	case errors.Is(err, fdstore.ErrNotFound):
		c.total.Born = rand.Text()
		if err := fdstore.Save(ctx, store, totalName, totalSchema, c.total); err != nil {
			return err
		}
	default:
		return err
	}
	if c.journal, err = store.Journal(ctx, "count", fdstore.JournalConfig{Schema: 1}); err != nil {
		return err
	}
	for record, err := range c.journal.Records() {
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(record))
		if err != nil {
			return err
		}
		c.total.Count = max(c.total.Count, n)
	}
	return nil
}

func (c *counter) Park(ctx context.Context, store *fdstore.Store) error {
	if c.hangs {
		select {}
	}
	c.injector.Hang(inject.HangPark)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.injector.Writes(false)
	if c.journal != nil {
		if err := c.journal.Close(); err != nil {
			return err
		}
		c.journal = nil
	}
	if err := c.injector.Full(); err != nil {
		return fmt.Errorf("keep the total: %w", err)
	}
	return fdstore.Save(ctx, store, totalName, totalSchema, c.total)
}

// read returns the kept state.
func (c *counter) read() (total, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.journal == nil {
		return total{}, errParked
	}
	return c.total, nil
}

// increment adds one, and returns once that outlives this process.
func (c *counter) increment() (total, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.journal == nil {
		return total{}, errParked
	}
	if err := c.journal.Append(strconv.AppendInt(nil, int64(c.total.Count+1), 10)); err != nil {
		return total{}, err
	}
	c.total.Count++
	return c.total, nil
}
