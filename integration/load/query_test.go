package load

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestLostQueries(t *testing.T) {
	var dropped atomic.Int64
	end := Endpoint{Network: "udp"}
	newEchoUDP(t, &end, func(n int) int {
		if n%10 == 0 {
			dropped.Add(1)
			return 0
		}
		return 1
	})
	config := only()
	config.Queries = []Endpoint{end}
	config.Query = Clients{Count: 3, Rate: 3000}
	config.QueryTimeout = 100 * time.Millisecond
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.UDPLost >= 5 })
	c := l.Stop()
	if want := int(dropped.Load()); c.UDPLost != want || c.UDPStray != 0 {
		t.Errorf("%d lost, %d stray; the server dropped %d", c.UDPLost, c.UDPStray, want)
	}
	if reason := c.Failures[0].Reason; !strings.Contains(reason, "no answer") {
		t.Errorf("reason %q", reason)
	}
}

// A second answer is no loss, but is not taken for the answer to the next query
// either.
func TestStrayAnswers(t *testing.T) {
	end := Endpoint{Network: "udp"}
	newEchoUDP(t, &end, func(int) int { return 2 })
	config := only()
	config.Queries = []Endpoint{end}
	config.Query = Clients{Count: 1, Rate: 1000}
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.UDPQueries >= 20 })
	if c := l.Stop(); c.UDPStray == 0 || c.UDPStray > c.UDPQueries || c.UDPLost != 0 {
		t.Errorf("%d stray, %d lost of %d", c.UDPStray, c.UDPLost, c.UDPQueries)
	}
}
