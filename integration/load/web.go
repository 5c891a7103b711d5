package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A webClient asks the web service, one request at a time. It belongs to one
// goroutine.
type webClient struct {
	config *Config
	tally  *tally
	end    Endpoint

	conn   net.Conn // nil: the next request dials
	reader *bufio.Reader
	asked  int // requests on conn
}

// short makes one request a connection.
func (c *webClient) short(ctx context.Context) {
	for p := newPace(c.config.Short, time.Now()); p.wait(ctx); {
		c.request("/", "Connection: close\r\n")
		c.close()
	}
}

// keepAlive makes all requests on one connection, for as long as the service
// keeps it.
func (c *webClient) keepAlive(ctx context.Context) {
	defer c.close()
	slow := "/slow?d=" + c.config.Slow.String()
	p := newPace(c.config.KeepAlive, time.Now())
	for n := 1; p.wait(ctx); n++ {
		path := "/"
		if c.config.SlowEvery > 0 && n%c.config.SlowEvery == 0 {
			path = slow
		}
		c.request(path, "")
	}
}

// thinking does the same, but leaves the connection idle for a while after each
// answer. It does not look at the connection before it asks again: whether a
// request was lost must not depend on whether the client had the luck to see
// the end of the connection first.
func (c *webClient) thinking(ctx context.Context) {
	defer c.close()
	for sleep(ctx, pick(Range{0, c.config.Think.Max})) {
		c.request("/", "")
		if !sleep(ctx, pick(c.config.Think)) {
			return
		}
	}
}

// request makes one request and counts it.
func (c *webClient) request(path, header string) {
	begin := time.Now()
	a, err := c.ask(path, header)
	if err != nil {
		c.tally.fail(fmt.Errorf("GET %s on %v, request %d of its connection: %w", path, c.end, c.asked, err), func(n *Counts) {
			n.Requests++
			n.Failed++
		})
		c.close()
		return
	}
	if a.last {
		c.close()
	}
	c.tally.answered(c.tally.web, a.generation, a.build, func(n *Counts) {
		n.Requests++
		if path == "/" {
			n.Slowest = max(n.Slowest, time.Since(begin))
		}
	})
}

// An answer has the parts of a response that matter to a client.
type answer struct {
	generation int
	build      string
	last       bool // "Connection: close": the next request needs a new connection
}

// ask sends one request, once, and reads its answer.
func (c *webClient) ask(path, header string) (answer, error) {
	if c.conn == nil {
		c.asked = 0
		conn, err := dial(c.config, c.end)
		if err != nil {
			return answer{}, fmt.Errorf("no connection: %w", err)
		}
		c.conn, c.reader = conn, bufio.NewReader(conn)
		c.tally.count(func(n *Counts) { n.Connections++ })
	}
	c.asked++
	if err := within(c.conn, c.config.Timeout); err != nil {
		return answer{}, err
	}
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: web\r\n"+header+"\r\n"); err != nil {
		return answer{}, fmt.Errorf("the request could not be sent: %w", err)
	}
	return readAnswer(c.reader)
}

// readAnswer reads one response whole and checks it.
func readAnswer(r *bufio.Reader) (answer, error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return answer{}, fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return answer{}, fmt.Errorf("half an answer: %w", err)
	}
	a, err := checkAnswer(response)
	if n := r.Buffered(); err == nil && n > 0 {
		return answer{}, fmt.Errorf("%d stray bytes after the answer", n)
	}
	return a, err
}

// checkAnswer checks a response that is read.
func checkAnswer(response *http.Response) (answer, error) {
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("answered with status %s", response.Status)
	}
	generation, err := parseGeneration(response.Header.Get("X-Generation"))
	if err != nil {
		return answer{}, fmt.Errorf("header X-Generation: %w", err)
	}
	return answer{generation: generation, build: response.Header.Get("X-Build"), last: response.Close}, nil
}

// parseGeneration reads the number of a generation: decimal, from 1.
func parseGeneration(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%.40q is not the number of a generation", s)
	}
	return n, nil
}

func (c *webClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
