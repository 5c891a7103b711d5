package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// HTTP2 is a connection of HTTP/2 without TLS, by prior knowledge. It tries nothing
// twice. Its methods are for one goroutine, but for those of net.Conn.
type HTTP2 struct {
	*goAwayWatch
	client *http.ClientConn
}

// NewHTTP2 makes one of a connection, which Close closes.
func NewHTTP2(ctx context.Context, conn net.Conn) (*HTTP2, error) {
	watch := &goAwayWatch{Conn: conn}
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return watch, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client, err := transport.NewClientConn(ctx, "http", "web:80")
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &HTTP2{watch, client}, nil
}

// ErrWentAway is the error of Do when the server has said GOAWAY and nothing was sent: the
// request needs another connection.
var ErrWentAway = errors.New("load: the connection takes no more requests")

var errNoGoAway = errors.New("the connection has ended without GOAWAY")

// Do sends a request, once, and returns the answer, whose body the caller closes.
func (c *HTTP2) Do(ctx context.Context, method, path string) (*http.Response, error) {
	if c.client.Available() == 0 {
		if c.wentAway.Load() {
			return nil, ErrWentAway
		}
		return nil, errNoGoAway
	}
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent = true }})
	request, err := http.NewRequestWithContext(ctx, method, "http://web"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.client.RoundTrip(request)
	if err != nil && !sent && c.wentAway.Load() {
		return nil, ErrWentAway // between the two looks
	}
	return response, err
}

// Close closes the connection.
func (c *HTTP2) Close() error { return c.client.Close() }

// goAwayWatch looks out for GOAWAY from the server.
type goAwayWatch struct {
	net.Conn
	wentAway atomic.Bool
	left     int    // bytes of the frame under way
	header   []byte // of the next one, as far as it has come
}

func (w *goAwayWatch) Read(p []byte) (int, error) {
	const headerSize, goAway = 9, 7
	n, err := w.Conn.Read(p)
	for p = p[:n]; len(p) > 0; {
		if w.left > 0 {
			skip := min(w.left, len(p))
			w.left -= skip
			p = p[skip:]
			continue
		}
		take := min(headerSize-len(w.header), len(p))
		w.header = append(w.header, p[:take]...)
		p = p[take:]
		if h := w.header; len(h) == headerSize {
			w.left = int(h[0])<<16 | int(h[1])<<8 | int(h[2])
			if h[3] == goAway {
				w.wentAway.Store(true)
			}
			w.header = h[:0]
		}
	}
	return n, err
}

// An http2Client asks the web service over HTTP/2, one request at a time. It belongs to
// one goroutine.
type http2Client struct {
	config *Config
	tally  *tally
	end    Endpoint
	conn   *HTTP2 // nil: the next request dials
}

// run makes all requests on one connection, for as long as the service keeps it. GET
// and POST take turns: neither is sent twice.
func (c *http2Client) run(ctx context.Context) {
	defer c.close()
	p := newPace(c.config.HTTP2, time.Now())
	for n := 0; p.wait(ctx); n++ {
		c.request([]string{http.MethodGet, http.MethodPost}[n%2])
	}
}

// request makes one request and counts it.
func (c *http2Client) request(method string) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), c.config.Timeout)
	defer cancel()
	a, err := c.ask(ctx, method)
	for errors.Is(err, ErrWentAway) {
		c.close()
		a, err = c.ask(ctx, method)
	}
	if err != nil {
		c.tally.fail(fmt.Errorf("%s / over HTTP/2 on %v: %w", method, c.end, err), func(n *Counts) {
			n.Requests++
			n.Failed++
			n.HTTP2Requests++
			n.HTTP2Failed++
		})
		c.close()
		return
	}
	c.tally.answered(c.tally.web, a.generation, a.build, func(n *Counts) {
		n.Requests++
		n.HTTP2Requests++
		n.Slowest = max(n.Slowest, time.Since(begin))
	})
}

// ask sends one request and reads its answer.
func (c *http2Client) ask(ctx context.Context, method string) (answer, error) {
	if c.conn == nil {
		conn, err := dial(c.config, c.end)
		if err == nil {
			c.conn, err = NewHTTP2(ctx, conn)
		}
		if err != nil {
			return answer{}, fmt.Errorf("no connection: %w", err)
		}
		c.tally.count(func(n *Counts) { n.Connections++ })
	}
	response, err := c.conn.Do(ctx, method, "/")
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return answer{}, fmt.Errorf("half an answer: %w", err)
	}
	return checkAnswer(response)
}

func (c *http2Client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
