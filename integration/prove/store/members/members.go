package members

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Dialer is net.Dialer.DialContext, or a machine's Dial.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Config describes the members.
type Config struct {
	Dial     Dialer
	Network  string // of the server
	Address  string
	Members  int
	RoomSize int           // how many of them share a room
	Pause    time.Duration // mean time between two lines of a member
	// Newcomers is the time between two of them. 0: there are none.
	Newcomers time.Duration
}

// Members are clients in their rooms.
type Members struct {
	config  Config
	tally   *tally
	members []*member
	mute    context.CancelFunc // no member says anything new
	talking sync.WaitGroup     // members that still do
	hearing sync.WaitGroup
}

// Join connects all members, and returns once the server has greeted every one. They
// talk from then on, until Stop or the end of ctx.
func Join(ctx context.Context, config Config) (*Members, error) {
	m := &Members{config: config, tally: &tally{}}
	for i := range config.Members {
		one := &member{
			tally: m.tally, nick: fmt.Sprintf("m%d", i), room: fmt.Sprintf("room%d", i/config.RoomSize),
			heard: make(map[string]uint64), said: make(map[uint64]time.Time),
		}
		if err := one.join(ctx, config); err != nil {
			m.hangUp()
			return nil, fmt.Errorf("member %d: %w", i, err)
		}
		m.members = append(m.members, one)
	}
	m.tally.add(func(c *Counts) { c.Connections = len(m.members) })
	talk, mute := context.WithCancel(ctx)
	m.mute = mute
	for _, one := range m.members {
		m.hearing.Go(one.hear)
		m.talking.Go(func() { one.talk(talk, config.Pause) })
	}
	if config.Newcomers > 0 {
		m.talking.Go(func() { m.welcome(talk) })
	}
	return m, nil
}

func (m *Members) hangUp() {
	for _, one := range m.members {
		one.conn.Close()
	}
}

// Counts returns the counts so far. A line under way is not lost yet.
func (m *Members) Counts() Counts {
	m.tally.mu.Lock()
	defer m.tally.mu.Unlock()
	return m.tally.c
}

// Silence waits until every line that was said is acknowledged and has come to all,
// and no member says anything new; or until ctx ends.
func (m *Members) Silence(ctx context.Context) {
	m.mute()
	m.talking.Wait()
	for ctx.Err() == nil && m.missing() > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop is Silence, and then the members hang up. A line that has not come by then
// is lost.
func (m *Members) Stop(ctx context.Context) Counts {
	m.Silence(ctx)
	for _, one := range m.members {
		one.mu.Lock()
		one.leaving = true
		one.mu.Unlock()
	}
	m.hangUp()
	m.hearing.Wait()
	if n := m.missing(); n > 0 {
		m.tally.fail(func(c *Counts) { c.LinesLost += n }, "%d lines have not come, or were not acknowledged", n)
	}
	m.tally.add(func(c *Counts) {
		for _, one := range m.members {
			c.Lines += int(one.safe)
		}
	})
	return m.Counts()
}

// missing counts the lines that are still to come.
func (m *Members) missing() int {
	n := 0
	for i, one := range m.members {
		room := i - i%m.config.RoomSize
		one.mu.Lock()
		n += int(one.last - one.safe)
		safe := one.safe
		one.mu.Unlock()
		for _, other := range m.members[room:min(room+m.config.RoomSize, len(m.members))] {
			other.mu.Lock()
			n += int(safe - min(safe, other.heard[one.nick]))
			other.mu.Unlock()
		}
	}
	return n
}

// about is a time around d, so that not all do the same at once.
func about(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }
