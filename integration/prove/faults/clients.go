package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/stage"
)

// clients put a light load on a lane: short connections, kept ones, one that
// thinks between requests, one of HTTP/2, and one that counts. They never try
// anything twice.
type clients struct {
	lane *site.Lane
	stop context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	counts counts
}

// counts are the counts of the clients.
type counts struct {
	Requests  int
	HTTP2     int // of Requests
	Losses    []loss
	StateLost int
	Because   []string // of StateLost
}

// loss is a request without a whole and valid answer.
type loss struct {
	At      time.Time
	Client  string // address of its end of the connection; "": there was none
	Refused bool
	Idle    time.Duration // of the connection, before the request, if nothing came back
	Reason  string
}

// clientTimeout is longer than anything that a fault makes a client wait for.
func clientTimeout() time.Duration { return site.Scaled(20 * time.Second) }

func startClients(ctx context.Context, lane *site.Lane) *clients {
	ctx, stop := context.WithCancel(ctx)
	c := &clients{lane: lane, stop: stop}
	run := func(n int, pause time.Duration, request func(*connection) error, kept bool) {
		for range n {
			c.work.Go(func() { c.repeat(ctx, pause, request, kept) })
		}
	}
	run(2, 40*time.Millisecond, plainly, false)
	run(3, 50*time.Millisecond, plainly, true)
	run(1, 200*time.Millisecond, plainly, true) // a stop waits for half a second
	c.work.Go(func() { c.repeatHTTP2(ctx, 60*time.Millisecond) })
	counter := &counting{clients: c}
	run(1, 30*time.Millisecond, counter.increment, false)
	return c
}

// Stop ends the load. Every request that was begun is waited for.
func (c *clients) Stop() counts {
	c.stop()
	c.work.Wait()
	return c.counts
}

// repeat makes requests, on one connection for as long as the service keeps it,
// or each on its own.
func (c *clients) repeat(ctx context.Context, pause time.Duration, request func(*connection) error, keep bool) {
	var conn *connection
	defer func() { conn.close() }()
	for stage.Pause(ctx, pause) == nil {
		var err error
		if conn == nil {
			conn, err = open(c.lane)
		}
		if err == nil {
			conn.again = keep
			err = request(conn)
		}
		c.count(conn.client(), conn.idled(err), err)
		if err != nil || conn.last || !keep {
			conn.close()
			conn = nil
		}
	}
}

// count counts a request on a connection with that address; "": there was none.
func (c *clients) count(client string, idle time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Requests++
	if err == nil {
		return
	}
	c.counts.Losses = append(c.counts.Losses, loss{
		At:      time.Now(),
		Client:  client,
		Refused: client == "" || errors.Is(err, syscall.ECONNREFUSED),
		Idle:    idle,
		Reason:  err.Error(),
	})
}

// repeatHTTP2 makes requests over HTTP/2, on one connection until the service says that
// it takes no more.
func (c *clients) repeatHTTP2(ctx context.Context, pause time.Duration) {
	var conn *load.HTTP2
	for stage.Pause(ctx, pause) == nil {
		err := load.ErrWentAway
		if conn != nil {
			err = plainlyHTTP2(conn)
		}
		for errors.Is(err, load.ErrWentAway) {
			closeHTTP2(conn)
			if conn, err = openHTTP2(c.lane); err == nil {
				err = plainlyHTTP2(conn)
			}
		}
		client := ""
		if conn != nil {
			client = conn.LocalAddr().String()
		}
		c.count(client, 0, err)
		c.mu.Lock()
		c.counts.HTTP2++
		c.mu.Unlock()
		if err != nil {
			closeHTTP2(conn)
			conn = nil
		}
	}
	closeHTTP2(conn)
}

func openHTTP2(lane *site.Lane) (*load.HTTP2, error) {
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout())
	defer cancel()
	conn, err := lane.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("no connection: %w", err)
	}
	return load.NewHTTP2(ctx, conn)
}

func closeHTTP2(conn *load.HTTP2) {
	if conn != nil {
		conn.Close()
	}
}

func plainlyHTTP2(conn *load.HTTP2) error {
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout())
	defer cancel()
	response, err := conn.Do(ctx, http.MethodPost, "/")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// lost counts state that is not there any more.
func (c *clients) lost(n int, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.StateLost += n
	c.counts.Because = append(c.counts.Because, fmt.Sprintf(format, args...))
}

// connection is a client's.
type connection struct {
	net.Conn
	reader *bufio.Reader
	again  bool          // there may be another request on it
	last   bool          // the service has said that there may not
	since  time.Time     // when the last answer was there; zero: there was none
	idle   time.Duration // before the last request
}

func open(lane *site.Lane) (*connection, error) {
	ctx, cancel := context.WithTimeout(context.Background(), clientTimeout())
	defer cancel()
	conn, err := lane.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("no connection: %w", err)
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

// client is the address of the client's end; "": there is no connection.
func (c *connection) client() string {
	if c == nil {
		return ""
	}
	return c.LocalAddr().String()
}

// idled is how long the connection was idle before a request of which the service may
// have read nothing; 0: it was not, or the request has another error.
func (c *connection) idled(err error) time.Duration {
	if c == nil || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) || c.reader.Buffered() > 0 {
		return 0
	}
	return c.idle
}

func (c *connection) close() {
	if c != nil {
		c.Conn.Close()
	}
}

// do makes one request.
func (c *connection) do(method, path string) (status int, body string, err error) {
	if err := c.SetDeadline(time.Now().Add(clientTimeout())); err != nil {
		return 0, "", err
	}
	header := ""
	if !c.again {
		header = "Connection: close\r\n"
	}
	c.idle = 0
	if !c.since.IsZero() {
		c.idle = time.Since(c.since)
	}
	if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: faulty\r\n%s\r\n", method, path, header); err != nil {
		return 0, "", fmt.Errorf("the request could not be sent: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, "", fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", fmt.Errorf("half an answer: %w", err)
	}
	c.last, c.since = response.Close, time.Now()
	return response.StatusCode, string(text), nil
}

func plainly(c *connection) error {
	status, _, err := c.do("GET", "/")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return err
}

// counting is the client that counts: every acknowledged number must be there.
type counting struct {
	clients *clients
	born    string
	count   int
}

func (k *counting) increment(c *connection) error {
	status, body, err := c.do("POST", "/count")
	if err != nil || status == http.StatusServiceUnavailable {
		return err // a process that has parked the state says so: it was not acknowledged
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, body)
	}
	return k.check(body, 1)
}

// check compares the state with the acknowledged numbers; more is as much as it
// must have grown.
func (k *counting) check(body string, more int) error {
	var born string
	var count int
	if _, err := fmt.Sscanf(body, "%s %d", &born, &count); err != nil {
		return fmt.Errorf("%q is no state: %w", body, err)
	}
	if k.born != "" && born != k.born {
		k.clients.lost(k.count, "the state begins anew, at %d, after %d was acknowledged", count, k.count)
	} else if count < k.count+more {
		k.clients.lost(k.count+more-count, "the state is %d after %d was acknowledged", count, k.count)
	}
	k.born, k.count = born, count
	return nil
}

// hold makes a request that is in flight until it is let go.
type hold struct{ conn *connection }

func beginHold(lane *site.Lane) (*hold, error) {
	c, err := open(lane)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(clientTimeout())); err != nil {
		return nil, err
	}
	fmt.Fprint(c, "POST /hold HTTP/1.1\r\nHost: faulty\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
	// The head of the answer comes when the request is in flight.
	if _, err := c.reader.Peek(1); err != nil {
		c.close()
		return nil, fmt.Errorf("hold a request: %w", err)
	}
	return &hold{c}, nil
}

// letGo ends the request. It reports whether the whole answer came.
func (h *hold) letGo() error {
	defer h.conn.close()
	if _, err := h.conn.Write([]byte("x")); err != nil {
		return err
	}
	response, err := http.ReadResponse(h.conn.reader, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && string(body) != "x" {
		err = fmt.Errorf("%w: the answer is %q", os.ErrInvalid, body)
	}
	return err
}
