package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// DialFunc opens a connection as [net.Dialer.DialContext] does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// An Endpoint is an address a service listens on, in the words of package
// [net]: "tcp" and "127.0.0.1:8080", "unix" and "/run/web.sock".
type Endpoint struct {
	Network string
	Address string
}

// String returns the endpoint as "tcp 127.0.0.1:8080".
func (e Endpoint) String() string { return e.Network + " " + e.Address }

// Clients says how many clients of one kind there are, and how much they ask
// for together.
type Clients struct {
	// Count is the number of clients that work at the same time. Zero stands
	// for the kind's default, a negative number for none.
	Count int

	// Rate is the load of all clients of the kind together, per second: requests,
	// lines or queries. Zero stands for the kind's default. It is an upper bound: a
	// client that waits for an answer sends nothing meanwhile, and does not catch
	// up afterwards.
	Rate float64
}

// A Range is a span of time from which each use picks evenly, at random. Both
// ends zero stands for the default.
type Range struct{ Min, Max time.Duration }

// Config names the services to load, and how hard. Its zero value loads nothing,
// because it names no endpoint; with endpoints alone it asks for about 2,500
// requests, 240 lines and 200 queries a second.
type Config struct {
	// Dial opens all connections. Nil stands for a zero net.Dialer. It has to
	// be safe for concurrent use.
	Dial DialFunc

	// Web are the endpoints of the web service ("tcp" or "unix"), Streams
	// ("tcp", "unix" or "unixpacket") and Queries ("udp") those of the echo
	// service. The clients of a kind spread over its endpoints in turn; without
	// endpoints a kind stays away.
	Web, Streams, Queries []Endpoint

	// Short are the clients that open a connection for each request. By default
	// 8 of them make 800 requests a second.
	Short Clients

	// KeepAlive are the clients that keep their connection. By default 16 of
	// them make 1,700 requests a second.
	KeepAlive Clients

	// SlowEvery makes each n-th request of a keep-alive client one for /slow,
	// answered after Slow. Zero stands for 20, a negative number for never; a
	// Slow of zero for 20 ms.
	SlowEvery int
	Slow      time.Duration

	// Thinking is the number of clients that keep their connection and sit idle
	// for a time picked from Think between two requests. Zero stands for 12, a
	// negative number for none; Think is 50 ms to 1 s by default.
	Thinking int
	Think    Range

	// HTTP2 are the clients that keep a connection of HTTP/2, without TLS. By default
	// there are none: the service has to speak it.
	HTTP2 Clients

	// Stream are the clients that hold an echo stream. By default 12 of them
	// send 240 lines a second.
	Stream Clients

	// StreamLife is how long a stream lives before its client closes it and
	// opens the next, 2 s to 8 s by default. The service's drain has to last
	// longer than Max, or it breaks streams rightfully.
	StreamLife Range

	// Query are the clients that send datagrams. By default 4 of them send 200
	// a second.
	Query Clients

	// QueryTimeout is how long a query waits for its answer before it counts as
	// lost. Zero stands for 2 s.
	QueryTimeout time.Duration

	// Timeout bounds everything else a client waits for: a connect, the answer
	// to a request, the echo of a line. Zero stands for 10 s.
	Timeout time.Duration
}

// withDefaults returns the configuration with each zero replaced, or an error.
func (c Config) withDefaults() (Config, error) {
	for _, list := range []struct {
		field    string
		ends     []Endpoint
		networks []string
	}{
		{"Web", c.Web, []string{"tcp", "unix"}},
		{"Streams", c.Streams, []string{"tcp", "unix", "unixpacket"}},
		{"Queries", c.Queries, []string{"udp"}},
	} {
		for _, end := range list.ends {
			if !slices.Contains(list.networks, end.Network) {
				return c, fmt.Errorf("load: Config.%s: network %q of %s: use one of %q",
					list.field, end.Network, end.Address, list.networks)
			}
		}
	}
	if len(c.Web)+len(c.Streams)+len(c.Queries) == 0 {
		return c, errors.New("load: Config names no endpoint: set Web, Streams or Queries")
	}
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}

	c.Short = c.Short.withDefault(Clients{8, 800})
	c.KeepAlive = c.KeepAlive.withDefault(Clients{16, 1700})
	c.Stream = c.Stream.withDefault(Clients{12, 240})
	c.Query = c.Query.withDefault(Clients{4, 200})
	defaultTo(&c.SlowEvery, 20)
	defaultTo(&c.Slow, 20*time.Millisecond)
	defaultTo(&c.Thinking, 12)
	defaultTo(&c.Think, Range{50 * time.Millisecond, time.Second})
	defaultTo(&c.StreamLife, Range{2 * time.Second, 8 * time.Second})
	defaultTo(&c.QueryTimeout, 2*time.Second)
	defaultTo(&c.Timeout, 10*time.Second)

	for _, r := range []struct {
		field string
		Range
	}{{"Think", c.Think}, {"StreamLife", c.StreamLife}} {
		if r.Min < 0 || r.Max < r.Min {
			return c, fmt.Errorf("load: Config.%s: from %v to %v is no span of time", r.field, r.Min, r.Max)
		}
	}
	for _, k := range []struct {
		field string
		Clients
	}{{"Short", c.Short}, {"KeepAlive", c.KeepAlive}, {"HTTP2", c.HTTP2}, {"Stream", c.Stream}, {"Query", c.Query}} {
		if k.Rate < 0 || k.Rate == 0 && k.Count > 0 {
			return c, fmt.Errorf("load: Config.%s.Rate: %v: a rate is positive; set Count to -1 for no such clients", k.field, k.Rate)
		}
	}
	return c, nil
}

func (c Clients) withDefault(d Clients) Clients {
	defaultTo(&c.Count, d.Count)
	defaultTo(&c.Rate, d.Rate)
	return c
}

// defaultTo sets *v to d if it is zero.
func defaultTo[T comparable](v *T, d T) {
	if *v == *new(T) {
		*v = d
	}
}
