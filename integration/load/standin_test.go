package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The stand-ins here are as small as the example services are, and count their
// acts, so that a test can compare both counts.

// A webStandIn serves HTTP with net/http.
type webStandIn struct {
	generation atomic.Int64
	answers    atomic.Int64
}

// newWeb serves on every endpoint until the test ends. Before each answer
// meddle, if not nil, may do as it likes; false means that it has answered.
func newWeb(t *testing.T, meddle func(w http.ResponseWriter, r *http.Request, n int64) bool, ends ...*Endpoint) *webStandIn {
	t.Helper()
	s := new(webStandIn)
	s.generation.Store(1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.answers.Add(1)
		w.Header().Set("X-Generation", fmt.Sprint(s.generation.Load()))
		w.Header().Set("X-Build", "test")
		if meddle != nil && !meddle(w, r, n) {
			return
		}
		if d := r.FormValue("d"); d != "" {
			if d, err := time.ParseDuration(d); err == nil {
				time.Sleep(d)
			}
		}
		fmt.Fprintln(w, "hello")
	}), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	for _, end := range ends {
		go server.Serve(listen(t, end))
	}
	t.Cleanup(func() { server.Close() })
	return s
}

// hijacked takes the connection of a request away from net/http.
func hijacked(w http.ResponseWriter) net.Conn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// listen opens a listener for an endpoint, whose address it fills in.
func listen(t *testing.T, end *Endpoint) net.Listener {
	t.Helper()
	if end.Address = "127.0.0.1:0"; end.Network != "tcp" {
		end.Address = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(end.Network, end.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	end.Address = ln.Addr().String()
	return ln
}

// newEchoStream hands every connection of a new listener to handle, and closes
// it afterwards.
func newEchoStream(t *testing.T, end *Endpoint, handle func(net.Conn)) {
	t.Helper()
	ln := listen(t, end)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
}

// echoLines answers lines as the echo service does. meddle, if not nil, returns the
// answer to the n-th line, from 1; false ends the connection.
func echoLines(meddle func(n int, line string) (answer string, ok bool)) func(net.Conn) {
	return func(conn net.Conn) {
		lines := bufio.NewScanner(conn)
		for n := 1; lines.Scan(); n++ {
			answer, ok := "1 "+lines.Text()+"\n", true
			if meddle != nil {
				answer, ok = meddle(n, lines.Text())
			}
			if _, err := conn.Write([]byte(answer)); err != nil || !ok {
				return
			}
		}
	}
}

// echoPackets answers packets.
func echoPackets(conn net.Conn) {
	packet := make([]byte, 4096)
	for {
		n, err := conn.Read(packet)
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte("1 "), packet[:n]...)); err != nil {
			return
		}
	}
}

// newEchoUDP answers the n-th datagram, from 1, answers(n) times.
func newEchoUDP(t *testing.T, end *Endpoint, answers func(n int) int) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end.Address = conn.LocalAddr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 4096)
		for n := 1; ; n++ {
			size, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			for range answers(n) {
				conn.WriteTo(append([]byte("1 "), packet[:size]...), from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
}

// countingDial dials as net.Dialer does, and counts open connections.
type countingDial struct{ dialled, open atomic.Int64 }

func (d *countingDial) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.dialled.Add(1)
	d.open.Add(1)
	// The clients need more of a connection than net.Conn has (CloseWrite), so
	// embed its own type.
	switch conn := conn.(type) {
	case *net.TCPConn:
		return &countedTCP{TCPConn: conn, counted: counted{open: &d.open}}, nil
	case *net.UnixConn:
		return &countedUnix{UnixConn: conn, counted: counted{open: &d.open}}, nil
	case *net.UDPConn:
		return &countedUDP{UDPConn: conn, counted: counted{open: &d.open}}, nil
	}
	panic(fmt.Sprintf("dialled a %T", conn))
}

type counted struct {
	once sync.Once
	open *atomic.Int64
}

func (c *counted) closed() { c.once.Do(func() { c.open.Add(-1) }) }

type (
	countedTCP struct {
		*net.TCPConn
		counted
	}
	countedUnix struct {
		*net.UnixConn
		counted
	}
	countedUDP struct {
		*net.UDPConn
		counted
	}
)

func (c *countedTCP) Close() error  { c.closed(); return c.TCPConn.Close() }
func (c *countedUnix) Close() error { c.closed(); return c.UnixConn.Close() }
func (c *countedUDP) Close() error  { c.closed(); return c.UDPConn.Close() }

// start starts a load whose connections are all closed in the end, or the test
// fails.
func start(t *testing.T, config Config) (*Load, *countingDial) {
	t.Helper()
	d := new(countingDial)
	if config.Dial == nil {
		config.Dial = d.Dial
	}
	l, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Stop()
		if n := d.open.Load(); n != 0 {
			t.Errorf("%d connections are still open after Stop", n)
		}
	})
	return l, d
}

// until waits until the counts are as wanted. Snapshots have no event to wait
// for, so it looks again and again.
func until(t *testing.T, l *Load, wanted func(Counts) bool) {
	t.Helper()
	for give := time.Now().Add(30 * time.Second); !wanted(l.Snapshot()); time.Sleep(time.Millisecond) {
		if time.Now().After(give) {
			t.Fatalf("the counts never came to those that the test waits for: %+v", l.Snapshot())
		}
	}
}
