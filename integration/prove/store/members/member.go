package members

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// joinTimeout bounds how long the server may be silent to a newcomer.
	joinTimeout = 20 * time.Second
	// mostUnacknowledged is when a member waits before it says more.
	mostUnacknowledged = 16
	// gotEvery is how many lines a member hears before it says so.
	gotEvery = 8
)

// member is one client. It knows nothing of upgrades, restarts or crashes: it ignores
// repeated and cut lines, as the protocol demands, and that is all.
type member struct {
	tally      *tally
	nick, room string
	conn       net.Conn
	reader     *bufio.Reader

	mu      sync.Mutex
	last    uint64               // number of the last line it has said
	safe    uint64               // of the last one that was acknowledged
	said    map[uint64]time.Time // those that were not
	number  uint64               // of the last line of the room that it has heard
	heard   map[string]uint64    // by nick: the number that the last line's text says
	leaving bool
}

// connect dials. A connection that is refused is counted.
func (m *member) connect(ctx context.Context, config Config) error {
	conn, err := config.Dial(ctx, config.Network, config.Address)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			m.tally.fail(func(c *Counts) { c.Refused++ }, "%s was refused: %v", m.nick, err)
		}
		return err
	}
	m.conn, m.reader = conn, bufio.NewReader(conn)
	return nil
}

// join connects and waits to be greeted.
func (m *member) join(ctx context.Context, config Config) error {
	if err := m.connect(ctx, config); err != nil {
		return err
	}
	if err := m.greet(); err != nil {
		m.conn.Close()
		return err
	}
	return nil
}

func (m *member) greet() error {
	if _, err := fmt.Fprintf(m.conn, "join %s %s\n", m.room, m.nick); err != nil {
		return err
	}
	if err := m.conn.SetReadDeadline(time.Now().Add(joinTimeout)); err != nil {
		return err
	}
	for m.number = 0; ; {
		input, err := m.line()
		if err != nil {
			return err
		}
		if n, _ := fmt.Sscanf(input, "joined "+m.room+" %d", &m.number); n == 1 {
			return m.conn.SetReadDeadline(time.Time{})
		}
		if strings.HasPrefix(input, "error ") {
			return errors.New(input)
		}
	}
}

// line returns the next whole line, without its end.
func (m *member) line() (string, error) {
	for {
		b, err := m.reader.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if whole, ok := bytes.CutSuffix(b, []byte("\r\n")); ok {
			return string(whole), nil
		}
		if len(b) > 1 {
			m.tally.add(func(c *Counts) { c.Cut++ })
		}
	}
}

// talk says a line now and then, until ctx ends.
func (m *member) talk(ctx context.Context, pause time.Duration) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(about(pause)):
		}
		if err := m.say(); err != nil {
			return // hear has seen it too
		}
	}
}

func (m *member) say() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.said) >= mostUnacknowledged {
		return nil
	}
	m.last++
	m.said[m.last] = time.Now()
	_, err := fmt.Fprintf(m.conn, "%d line %d of %s\n", m.last, m.last, m.nick)
	return err
}

// hear takes the server's lines, until the connection ends.
func (m *member) hear() {
	for {
		input, err := m.line()
		if err == nil {
			err = m.take(input)
		}
		if err == nil {
			continue
		}
		m.mu.Lock()
		leaving := m.leaving
		m.mu.Unlock()
		if !leaving {
			m.tally.fail(func(c *Counts) { c.ConnectionsLost++ }, "%s in %s: the connection was lost: %v", m.nick, m.room, err)
		}
		return
	}
}

func (m *member) take(input string) error {
	var n uint64
	if k, _ := fmt.Sscanf(input, "ok %d", &n); k == 1 {
		m.acknowledged(n)
		return nil
	}
	var number uint64
	var room, nick, author string
	if k, _ := fmt.Sscanf(input, "#%d %s %s line %d of %s", &number, &room, &nick, &n, &author); k == 5 && nick == author && room == m.room {
		return m.delivered(number, nick, n)
	}
	if strings.HasPrefix(input, "joined ") {
		return nil
	}
	return fmt.Errorf("the server says %q", input)
}

func (m *member) acknowledged(n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; m.safe < n; m.safe++ {
		took := time.Since(m.said[m.safe+1])
		delete(m.said, m.safe+1)
		m.tally.add(func(c *Counts) { c.Slowest = max(c.Slowest, took) })
	}
}

func (m *member) delivered(number uint64, nick string, n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if number <= m.number {
		m.tally.add(func(c *Counts) { c.Repeated++ })
		return nil
	}
	m.number = number
	before := m.heard[nick]
	switch {
	case n <= before:
		m.tally.fail(func(c *Counts) { c.LinesDuplicated++ }, "%s hears line %d of %s again, as number %d", m.nick, n, nick, number)
	case n > before+1:
		missed := int(n - before - 1)
		m.tally.fail(func(c *Counts) { c.LinesLost += missed }, "%s hears line %d of %s after line %d", m.nick, n, nick, before)
		m.heard[nick] = n
	default:
		m.heard[nick] = n
	}
	m.tally.add(func(c *Counts) { c.Deliveries++ })
	if number%gotEvery != 0 {
		return nil
	}
	_, err := fmt.Fprintf(m.conn, "got %d\n", number)
	return err
}
