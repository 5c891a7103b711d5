package intake

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flight counts the work in flight of this generation: its connections, and work
// that is no connection. A generation that drains ends when nothing is left.
type flight struct {
	mu    sync.Mutex
	conns flown // ring of the open connections; this one is only its anchor
	count int   // connections
	work  int   // pieces of other work
	empty chan struct{}
}

// flown is a connection's place in the ring: made with it, so that tracking
// costs no allocation of its own.
type flown struct {
	prev, next *flown
	conn       net.Conn
	midway     atomic.Bool // a FIN would be taken for the end of the answer
}

func newFlight() *flight {
	f := &flight{}
	f.conns.prev, f.conns.next = &f.conns, &f.conns
	return f
}

func (f *flight) add(c *flown) {
	f.mu.Lock()
	c.prev, c.next = f.conns.prev, &f.conns
	c.prev.next, c.next.prev = c, c
	f.count++
	f.mu.Unlock()
}

// remove takes c out. Only the first call for a connection counts.
func (f *flight) remove(c *flown) {
	f.mu.Lock()
	if c.next != nil {
		c.prev.next, c.next.prev = c.next, c.prev
		c.prev, c.next = nil, nil
		f.count--
		f.landed()
	}
	f.mu.Unlock()
}

func (f *flight) begin() {
	f.mu.Lock()
	f.work++
	f.mu.Unlock()
}

func (f *flight) done() {
	f.mu.Lock()
	f.work--
	f.landed()
	f.mu.Unlock()
}

// landed wakes the callers that wait for the end; f.mu is held.
func (f *flight) landed() {
	if f.empty != nil && f.count == 0 && f.work == 0 {
		close(f.empty)
		f.empty = nil
	}
}

// connections is how many are open.
func (f *flight) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// wait returns nil once nothing is in flight, or ctx's error.
func (f *flight) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.count == 0 && f.work == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ends says of the oldest connections, so many at most, where their other ends are.
func (f *flight) ends(most int) (ends []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.conns.next; c != &f.conns && len(ends) < most; c = c.next {
		ends = append(ends, end(c.conn))
	}
	return ends
}

// end is the address of a connection's peer. One that connects to a Unix socket has
// none: it is told by the socket.
func end(c net.Conn) string {
	addr := c.RemoteAddr()
	if text := addr.String(); text != "" && text != "@" {
		return text
	}
	return "a client of " + c.LocalAddr().String()
}

// cutPatience is how long cut waits for connections that take time to close: an
// application may have set SO_LINGER.
const cutPatience = time.Second

// cut closes every connection, side by side, and reports how many there were.
func (f *flight) cut() int {
	f.mu.Lock()
	open := make([]*flown, 0, f.count)
	for c := f.conns.next; c != &f.conns; c = c.next {
		open = append(open, c)
	}
	f.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range open {
		closing.Go(c.cut)
	}
	closed := make(chan struct{})
	go func() {
		closing.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(cutPatience):
	}
	return len(open)
}

// thin closes all connections but one, one after the other, spread evenly from now until
// end, and reports how many. One without an answer under way comes before one with, and an
// older one before a younger. It ends when ctx does, or when nothing is left.
func (f *flight) thin(ctx context.Context, end time.Time) (closed int) {
	f.mu.Lock()
	var open, midway []*flown
	for c := f.conns.next; c != &f.conns; c = c.next {
		if c.midway.Load() {
			midway = append(midway, c)
		} else {
			open = append(open, c)
		}
	}
	f.mu.Unlock()
	open = append(open, midway...)
	began := time.Now()
	window := float64(end.Sub(began))
	for i := 1; i < len(open) && f.connections() > 0; i++ {
		at := began.Add(time.Duration(window * float64(i) / float64(len(open))))
		if pause := time.Until(at); pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return closed
			}
		}
		if c := open[i-1]; f.has(c) {
			go c.cut() // an application may have set SO_LINGER
			closed++
		}
	}
	return closed
}

func (f *flight) has(c *flown) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return c.next != nil
}

// cut closes the connection, and resets it if its peer would take the end of half an
// answer for that of a whole one.
func (c *flown) cut() {
	if tcp, ok := c.conn.(interface{ SetLinger(int) error }); ok && c.midway.Load() {
		_ = tcp.SetLinger(0)
	}
	c.conn.Close()
}
