package load

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// only switches all kinds of client off, but those the test sets.
func only() Config {
	none := Clients{Count: -1}
	return Config{Short: none, KeepAlive: none, Thinking: -1, Stream: none, Query: none, SlowEvery: -1}
}

func TestEveryKindAgainstServicesThatLoseNothing(t *testing.T) {
	webTCP, webUnix := Endpoint{Network: "tcp"}, Endpoint{Network: "unix"}
	web := newWeb(t, nil, &webTCP, &webUnix)
	tcp, unix, seqpacket, udp := Endpoint{Network: "tcp"}, Endpoint{Network: "unix"}, Endpoint{Network: "unixpacket"}, Endpoint{Network: "udp"}
	newEchoStream(t, &tcp, echoLines(nil))
	newEchoStream(t, &unix, echoLines(nil))
	newEchoStream(t, &seqpacket, echoPackets)
	var queries atomic.Int64
	newEchoUDP(t, &udp, func(int) int { queries.Add(1); return 1 })

	l, d := start(t, Config{
		Web:        []Endpoint{webTCP, webUnix},
		Streams:    []Endpoint{tcp, unix, seqpacket},
		Queries:    []Endpoint{udp},
		StreamLife: Range{10 * time.Millisecond, 100 * time.Millisecond},
		Think:      Range{time.Millisecond, 20 * time.Millisecond},
		Slow:       time.Millisecond,
		Stream:     Clients{Count: 6, Rate: 1200},
		HTTP2:      Clients{Count: 4, Rate: 400},
	})
	until(t, l, func(c Counts) bool {
		return c.Requests > 1000 && c.HTTP2Requests > 100 && c.Streams > 20 && c.UDPQueries > 120
	})
	web.generation.Store(2)
	until(t, l, func(c Counts) bool { return len(c.Web) == 2 && c.Web[1].Answers > 100 })
	c := l.Stop()

	if c.Lost() || c.UDPStray > 0 || len(c.Failures) > 0 {
		t.Errorf("losses where there were none: %+v", c)
	}
	if got := int(web.answers.Load()); c.Requests != got {
		t.Errorf("%d requests, but the server answered %d", c.Requests, got)
	}
	if got := int(queries.Load()); c.UDPQueries != got {
		t.Errorf("%d queries, but the server answered %d", c.UDPQueries, got)
	}
	if got := c.Web[0].Answers + c.Web[1].Answers; len(c.Web) != 2 || got != c.Requests {
		t.Errorf("%d requests, but the generations answered %d: %+v", c.Requests, got, c.Web)
	}
	if len(c.Echo) != 1 || c.Echo[0].Answers != c.StreamLines+c.UDPQueries {
		t.Errorf("%d lines and %d queries, but the generations answered %+v", c.StreamLines, c.UDPQueries, c.Echo)
	}
	if !c.Web[0].First.Before(c.Web[1].First) || c.Web[1].Build != "test" {
		t.Errorf("generations out of order, or without their build: %+v", c.Web)
	}
	if c.StreamsOpen != 0 {
		t.Errorf("%d streams open after Stop", c.StreamsOpen)
	}
	if udpSockets := int(d.dialled.Load()) - c.Connections - c.Streams; udpSockets < 4 {
		t.Errorf("%d dialled, %d connections, %d streams: that leaves %d sockets for 4 UDP clients", d.dialled.Load(), c.Connections, c.Streams, udpSockets)
	}
}

func TestNobodyListens(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) {
		return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	}
	l, _ := start(t, Config{Dial: refused, Web: []Endpoint{{"tcp", "w"}}, Streams: []Endpoint{{"tcp", "s"}}, Queries: []Endpoint{{"udp", "q"}}})
	until(t, l, func(c Counts) bool { return c.Failed > 2*maxFailures && c.StreamsBroken > 0 && c.UDPLost > 0 })
	c := l.Stop()
	if c.Failed != c.Requests || c.StreamsBroken != c.Streams || c.UDPLost != c.UDPQueries || !c.Lost() {
		t.Errorf("something came back from nowhere: %+v", c)
	}
	if len(c.Failures) != maxFailures {
		t.Errorf("%d failures kept, want %d", len(c.Failures), maxFailures)
	}
	if reason := c.Failures[0].Reason; !strings.Contains(reason, "no ") || !strings.Contains(reason, "connection refused") {
		t.Errorf("the reason does not tell the cause: %q", reason)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	web := Endpoint{Network: "tcp"}
	newWeb(t, nil, &web)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Start(ctx, Config{Web: []Endpoint{web}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, l, func(c Counts) bool { return c.Requests > 10 })
	cancel()
	l.clients.Wait() // without Stop
	if c := l.Stop(); c.Lost() {
		t.Errorf("the end of the context made failures: %+v", c.Failures)
	}
}

func TestConfigErrors(t *testing.T) {
	ok := []Endpoint{{"tcp", "127.0.0.1:80"}}
	for want, config := range map[string]Config{
		"names no endpoint": {},
		`Config.Queries: network "unixgram" of /q: use one of ["udp"]`: {Queries: []Endpoint{{"unixgram", "/q"}}},
		"Config.Think: from 2s to 1s":                                  {Web: ok, Think: Range{2 * time.Second, time.Second}},
		"Config.Short.Rate: -1":                                        {Web: ok, Short: Clients{Rate: -1}},
		"Config.HTTP2.Rate: 0":                                         {Web: ok, HTTP2: Clients{Count: 1}},
	} {
		if _, err := Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error that says %q", config, err, want)
		}
	}
}
