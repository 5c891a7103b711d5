package status

import (
	"context"
	"fmt"
	"sync"

	"github.com/godbus/dbus/v5"
)

// How many calls may wait at the same time. Those for a verdict may wait for days;
// they take no place from callers that upgrade.
const (
	maxWaiting   = 64
	maxUpgrading = 16
	maxPerCaller = 8
)

// callers are the connections of one bus whose calls wait here. A call ends when its
// caller has gone from the bus: the answer would go unread.
type callers struct {
	ctx  context.Context // of the connection
	conn *dbus.Conn

	mu  sync.Mutex
	all map[dbus.Sender]*caller
}

type caller struct {
	calls int
	ctx   context.Context // ends when the caller has gone
	end   context.CancelFunc
}

// newCallers listens on conn until ctx ends.
func newCallers(ctx context.Context, conn *dbus.Conn) *callers {
	c := &callers{ctx: ctx, conn: conn, all: make(map[dbus.Sender]*caller)}
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	go func() {
		defer conn.RemoveSignal(signals)
		for {
			select {
			case s, ok := <-signals:
				if !ok {
					return
				}
				c.heard(s)
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// heard takes the bus's signals about callers that have gone.
func (c *callers) heard(s *dbus.Signal) {
	var name, before, after string
	if s.Sender != "org.freedesktop.DBus" || s.Name != "org.freedesktop.DBus.NameOwnerChanged" ||
		dbus.Store(s.Body, &name, &before, &after) != nil || after != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if gone := c.all[dbus.Sender(name)]; gone != nil {
		gone.end()
	}
}

// enter begins a call that waits. Its context ends with the caller's connection; leave
// is to be called once it has been answered.
func (c *callers) enter(sender dbus.Sender) (ctx context.Context, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.all[sender]
	if who == nil {
		who = new(caller)
		who.ctx, who.end = context.WithCancel(c.ctx)
		c.all[sender] = who
		go c.watch(sender, who)
	}
	if who.calls == maxPerCaller {
		return nil, nil, fmt.Errorf("%d calls of yours wait already", maxPerCaller)
	}
	who.calls++
	return who.ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if who.calls--; who.calls == 0 {
			delete(c.all, sender)
			who.end()
		}
	}, nil
}

// watch has the bus tell when a caller goes, for as long as it has calls here.
func (c *callers) watch(sender dbus.Sender, who *caller) {
	match := []dbus.MatchOption{
		dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchInterface("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"),
		dbus.WithMatchArg(0, string(sender)),
	}
	if err := c.conn.AddMatchSignalContext(who.ctx, match...); err != nil {
		return // the bus is going, and every call with it; or this one has been answered
	}
	var here bool
	err := c.conn.BusObject().CallWithContext(who.ctx, "org.freedesktop.DBus.NameHasOwner", 0, string(sender)).Store(&here)
	if err == nil && !here {
		who.end() // it had gone before the match was there
	}
	<-who.ctx.Done()
	// Fails when the connection has ended, which forgets it too.
	_ = c.conn.RemoveMatchSignal(match...)
}
