package load

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// GOAWAY ends a connection without a failure.
func TestHTTP2GoAway(t *testing.T) {
	var ended atomic.Int64
	end := Endpoint{Network: "tcp"}
	newWeb(t, func(w http.ResponseWriter, _ *http.Request, n int64) bool {
		if n%10 == 0 {
			ended.Add(1)
			w.Header().Set("Connection", "close") // means GOAWAY
		}
		return true
	}, &end)
	config := only()
	config.Web = []Endpoint{end}
	config.HTTP2 = Clients{Count: 1, Rate: 5000}
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.HTTP2Requests > 200 })
	c := l.Stop()
	if want := int(ended.Load()); c.Failed != 0 || c.Connections < want || c.Connections > want+1 {
		t.Errorf("%d failed on %d connections; the server ended %d: %v", c.Failed, c.Connections, want, c.Failures)
	}
}

// Any other end is a failure, though the client knows of it when it asks the next time.
func TestHTTP2Ends(t *testing.T) {
	end := Endpoint{Network: "tcp"}
	newWeb(t, nil, &end)
	dialled := make(chan *net.TCPConn, 10)
	config := only()
	config.Web = []Endpoint{end}
	config.HTTP2 = Clients{Count: 1, Rate: 200}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			dialled <- c.(*net.TCPConn)
		}
		return c, err
	}
	l, _ := start(t, config)
	for n := 1; n <= 3; n++ {
		c := <-dialled
		seen := l.Snapshot().HTTP2Requests
		until(t, l, func(c Counts) bool { return c.HTTP2Requests > seen+2 })
		c.CloseRead()
		until(t, l, func(c Counts) bool { return c.HTTP2Failed == n })
	}
	if c := l.Stop(); c.Failed != 3 || c.Requests != c.HTTP2Requests {
		t.Errorf("%+v", c)
	}
}

// Data on a connection to a far place arrives whole, in order, and not before its
// time.
func TestFar(t *testing.T) {
	end := Endpoint{Network: "tcp"}
	newEchoStream(t, &end, echoLines(nil))
	const roundTrip = 20 * time.Millisecond
	conn, err := Far(new(net.Dialer).DialContext, roundTrip)(t.Context(), "tcp", end.Address)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	conn.Write([]byte("a\nb"))
	conn.Write([]byte("\n"))
	var got []byte
	for buf := make([]byte, 3); len(got) < len("1 a\n1 b\n"); {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != "1 a\n1 b\n" {
		t.Errorf("read %q", got)
	}
	if took := time.Since(begin); took < roundTrip {
		t.Errorf("there and back in %v", took)
	}
	conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a closed connection can be read")
	}
}
