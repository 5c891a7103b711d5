package load

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestKeepAliveEnds(t *testing.T) {
	const every = 10
	for _, test := range []struct {
		name  string
		end   func(w http.ResponseWriter, ended *atomic.Int64) bool // on each tenth request
		fails bool
	}{
		{"announced", func(w http.ResponseWriter, ended *atomic.Int64) bool {
			ended.Add(1)
			w.Header().Set("Connection", "close")
			return true
		}, false},
		{"end of file instead of an answer", func(w http.ResponseWriter, ended *atomic.Int64) bool {
			ended.Add(1)
			hijacked(w).Close()
			return false
		}, true},
		{"reset instead of an answer", func(w http.ResponseWriter, ended *atomic.Int64) bool {
			ended.Add(1)
			conn := hijacked(w)
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return false
		}, true},
		{"closed after a whole answer, unannounced", func(w http.ResponseWriter, ended *atomic.Int64) bool {
			ended.Add(1)
			conn := hijacked(w)
			conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Generation: 1\r\nContent-Length: 0\r\n\r\n"))
			conn.Close()
			return false
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var ended atomic.Int64
			end := Endpoint{Network: "tcp"}
			newWeb(t, func(w http.ResponseWriter, _ *http.Request, n int64) bool {
				return n%every != 0 || test.end(w, &ended)
			}, &end)

			config := only()
			config.Web = []Endpoint{end}
			config.KeepAlive = Clients{Count: 1, Rate: 5000}
			l, _ := start(t, config)
			until(t, l, func(c Counts) bool { return c.Requests >= 20*every })
			c := l.Stop()

			// The very last end may have come too late to be met by a request.
			want := int(ended.Load())
			if !test.fails && c.Failed != 0 || test.fails && (c.Failed > want || c.Failed < want-1) {
				t.Errorf("%d failed; the server ended %d connections: %v", c.Failed, want, c.Failures)
			}
			if c.Connections < want || c.Connections > want+1 {
				t.Errorf("%d connections; the server ended %d", c.Connections, want)
			}
		})
	}
}

// An idle connection that is closed while its client thinks fails the next request:
// the client was not told.
func TestThinkingClientMeetsAClosedConnection(t *testing.T) {
	var closed atomic.Int64
	end := Endpoint{Network: "tcp"}
	newWeb(t, func(w http.ResponseWriter, _ *http.Request, n int64) bool {
		if n%5 != 0 {
			return true
		}
		closed.Add(1)
		conn := hijacked(w)
		conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Generation: 1\r\nContent-Length: 0\r\n\r\n"))
		conn.Close()
		return false
	}, &end)
	config := only()
	config.Web = []Endpoint{end}
	config.Thinking = 1
	config.Think = Range{2 * time.Millisecond, 4 * time.Millisecond}
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.Failed == 3 })
	if c, want := l.Stop(), int(closed.Load()); c.Failed > want || c.Failed < want-1 {
		t.Errorf("%d failed; the server closed %d idle connections", c.Failed, want)
	}
}

func TestSlowRequestsAreAskedFor(t *testing.T) {
	var slow atomic.Int64
	end := Endpoint{Network: "unix"}
	newWeb(t, func(_ http.ResponseWriter, r *http.Request, _ int64) bool {
		if r.URL.Path == "/slow" && r.FormValue("d") == "3ms" {
			slow.Add(1)
		}
		return true
	}, &end)
	config := only()
	config.Web = []Endpoint{end}
	config.KeepAlive = Clients{Count: 2, Rate: 2000}
	config.SlowEvery, config.Slow = 4, 3*time.Millisecond
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.Requests >= 40 })
	c := l.Stop()
	if got := int(slow.Load()); got < c.Requests/4-2 || got > c.Requests/4 {
		t.Errorf("%d slow ones of %d requests, want each fourth", got, c.Requests)
	}
}

// A server that never answers must not hold a client for ever.
func TestNoAnswerTimesOut(t *testing.T) {
	end := Endpoint{Network: "tcp"}
	newEchoStream(t, &end, func(conn net.Conn) { bufio.NewReader(conn).WriteTo(new(strings.Builder)) })
	config := only()
	config.Web = []Endpoint{end}
	config.Short = Clients{Count: 2, Rate: 1000}
	config.Timeout = 10 * time.Millisecond
	l, _ := start(t, config)
	until(t, l, func(c Counts) bool { return c.Failed >= 4 })
	c := l.Stop()
	if c.Failed != c.Requests || !strings.Contains(c.Failures[0].Reason, "i/o timeout") {
		t.Errorf("want all requests timed out: %+v", c)
	}
}

func TestReadAnswer(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nX-Generation: 7\r\nX-Build: b\r\nContent-Length: 2\r\n\r\nhi"
	for _, test := range []struct {
		name, response string
		want           answer
		err            string
	}{
		{"good", good, answer{generation: 7, build: "b"}, ""},
		{"last", strings.Replace(good, "X-Build: b", "Connection: close", 1), answer{generation: 7, last: true}, ""},
		{"nothing", "", answer{}, "no answer: "},
		{"cut in its header", good[:30], answer{}, "no answer: "},
		{"cut in its body", good[:len(good)-1], answer{}, "half an answer: unexpected EOF"},
		{"something after it", good + "HTTP/1.1 408", answer{}, "12 stray bytes"},
		{"an error", strings.Replace(good, "200 OK", "503 Service Unavailable", 1), answer{}, "status 503"},
		{"no generation", strings.Replace(good, "X-Generation: 7\r\n", "", 1), answer{}, `X-Generation: "" is not`},
		{"generation zero", strings.Replace(good, "7", "0", 1), answer{}, `X-Generation: "0" is not`},
	} {
		got, err := readAnswer(bufio.NewReader(strings.NewReader(test.response)))
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %+v, %v; want %+v, %q", test.name, got, err, test.want, test.err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nX-Generation: 7\r\nContent-Length: 2\r\n\r\nhi")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Generation: 1\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 503 no\r\n\r\n")
	f.Fuzz(func(t *testing.T, response string) {
		if a, err := readAnswer(bufio.NewReader(strings.NewReader(response))); err == nil && a.generation < 1 {
			t.Errorf("%q: accepted as an answer of generation %d", response, a.generation)
		}
	})
}
