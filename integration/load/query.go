package load

import (
	"context"
	"fmt"
	"net"
	"time"
)

// queriesPerSocket is how many queries a client sends from one local port
// before it takes a new one, so that both long-known and new peers meet an
// upgrade.
const queriesPerSocket = 50

// A queryClient sends one datagram at a time. It belongs to one goroutine.
type queryClient struct {
	config *Config
	tally  *tally
	end    Endpoint
	conn   net.Conn // nil: the next query opens a socket
}

func (c *queryClient) run(ctx context.Context) {
	defer c.close()
	p := newPace(c.config.Query, time.Now())
	for n := 1; p.wait(ctx); n++ {
		if n%queriesPerSocket == 0 {
			c.close()
		}
		payload := fmt.Sprintf("query %d", n)
		generation, err := c.ask(payload)
		if err != nil {
			c.tally.fail(fmt.Errorf("%q on %v: %w", payload, c.end, err), func(n *Counts) { n.UDPQueries++; n.UDPLost++ })
			continue
		}
		c.tally.answered(c.tally.echo, generation, "", func(n *Counts) { n.UDPQueries++ })
	}
}

// ask sends one query, once, and waits for its answer.
func (c *queryClient) ask(payload string) (generation int, err error) {
	if c.conn == nil {
		if c.conn, err = dial(c.config, c.end); err != nil {
			c.conn = nil
			return 0, fmt.Errorf("no socket: %w", err)
		}
	}
	if err := within(c.conn, c.config.QueryTimeout); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write([]byte(payload)); err != nil {
		return 0, fmt.Errorf("not sent: %w", err)
	}
	buffer := make([]byte, maxLine)
	for {
		n, err := c.conn.Read(buffer)
		if err != nil {
			return 0, fmt.Errorf("no answer: %w", err)
		}
		if generation, err := parseEcho(string(buffer[:n]), payload); err == nil {
			return generation, nil
		}
		// The answer to a query given up earlier, or a second one. The right
		// one may still come.
		c.tally.count(func(n *Counts) { n.UDPStray++ })
	}
}

func (c *queryClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
