package load

import (
	"context"
	"net"
	"sync"
	"time"
)

// A Load is a set of clients at work.
type Load struct {
	config   Config
	stop     context.CancelFunc
	clients  sync.WaitGroup
	tallies  []*tally // fixed once Start has returned
	failures failures
}

// Start sets the clients to work and returns at once. They work until ctx ends
// or [Load.Stop] is called. A wrong configuration is an error; a service that
// does not answer is none, but is counted.
func Start(ctx context.Context, config Config) (*Load, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	l := &Load{config: config, stop: stop}

	l.each("short", config.Web, config.Short.Count, func(t *tally, end Endpoint) {
		c := webClient{config: &l.config, tally: t, end: end}
		c.short(ctx)
	})
	l.each("keep-alive", config.Web, config.KeepAlive.Count, func(t *tally, end Endpoint) {
		c := webClient{config: &l.config, tally: t, end: end}
		c.keepAlive(ctx)
	})
	l.each("thinking", config.Web, config.Thinking, func(t *tally, end Endpoint) {
		c := webClient{config: &l.config, tally: t, end: end}
		c.thinking(ctx)
	})
	l.each("http2", config.Web, config.HTTP2.Count, func(t *tally, end Endpoint) {
		c := http2Client{config: &l.config, tally: t, end: end}
		c.run(ctx)
	})
	l.each("stream", config.Streams, config.Stream.Count, func(t *tally, end Endpoint) {
		c := streamClient{config: &l.config, tally: t, end: end}
		c.run(ctx)
	})
	l.each("query", config.Queries, config.Query.Count, func(t *tally, end Endpoint) {
		c := queryClient{config: &l.config, tally: t, end: end}
		c.run(ctx)
	})
	return l, nil
}

// each starts count clients, spread over the endpoints in turn.
func (l *Load) each(client string, ends []Endpoint, count int, run func(*tally, Endpoint)) {
	if len(ends) == 0 {
		return
	}
	for i := range count {
		t := newTally(client, &l.failures)
		l.tallies = append(l.tallies, t)
		l.clients.Go(func() { run(t, ends[i%len(ends)]) })
	}
}

// Snapshot returns the counts so far. The counts of one client are of one moment,
// those of different clients of moments very close together.
func (l *Load) Snapshot() Counts { return total(l.tallies, &l.failures) }

// Stop tells the clients to begin nothing new, waits for the work that they have
// begun (each request and each query gets its answer or fails, each stream is
// closed by its client) and returns the final counts. It may be called again, and
// after the context of Start has ended.
func (l *Load) Stop() Counts {
	l.stop()
	l.clients.Wait()
	return l.Snapshot()
}

// dial opens a connection for a client, within the configured time. It does not
// end with ctx of Start: a connection that is under way when the load stops
// still counts.
func dial(config *Config, end Endpoint) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), config.Timeout)
	defer cancel()
	return config.Dial(ctx, end.Network, end.Address)
}

// within sets the deadline for all that is read and written next.
func within(conn net.Conn, d time.Duration) error { return conn.SetDeadline(time.Now().Add(d)) }
