package integration

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"

	"golang.org/x/sys/unix"
)

// dial opens a connection to a service, for the time of the test.
func (s *site) dial(address string) net.Conn {
	s.Helper()
	c, err := s.manager.Host().Dial(s.ctx, "tcp", address)
	s.must(err)
	s.Cleanup(func() { c.Close() })
	return c
}

// get sends a request of HTTP/1.
func (s *site) get(c net.Conn, path string) {
	s.Helper()
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: web\r\n\r\n", path)
	s.must(err)
}

// HTTP by the libraries of others moves at an upgrade, and nothing waits for Linger,
// which is longer than the drain: HTTP/2 by golang.org/x/net, gRPC, WebSockets,
// server-sent events.
func TestWebLibraries(t *testing.T) { onEach(t, webLibraries) }

func webLibraries(t *testing.T, s *site) {
	addresses := map[string]string{"h2": "127.0.0.1:8443", "h2c": "127.0.0.1:8001", "grpc": "127.0.0.1:8002", "push": "127.0.0.1:8003"}
	sockets := map[string]string{}
	for name, address := range addresses {
		sockets[name] = "ListenStream=" + address
	}
	s.peer("webd", sockets)
	// asked fails the test if anything is lost while the story is told.
	asked := func(story func(), generations ...int) {
		t.Helper()
		var clients []*peerClient
		for protocol, address := range addresses {
			clients = append(clients, s.asks(protocol, address))
		}
		story()
		for _, c := range clients {
			counts := c.lost()
			for _, n := range generations {
				if counts["told"] == 0 && counts[fmt.Sprint("answered by ", n)] == 0 {
					t.Errorf("generation %d has not answered: %v", n, counts)
				}
			}
		}
	}
	asked(func() {
		for range 2 {
			predecessor := s.mainPID("webd")
			s.upgrade("webd")
			s.gone(predecessor)
		}
	}, 1, 2, 3)
	// A connection that is not told keeps the predecessor.
	untold := s.dial(addresses["push"])
	predecessor := s.mainPID("webd")
	s.must(syscall.Kill(s.upgrade("webd"), syscall.SIGKILL))
	s.eventually("the predecessor has taken back", func() bool { return s.mainPID("webd") == predecessor })
	untold.Close()
	asked(func() {
		s.upgrade("webd")
		s.gone(predecessor)
	}, 3, 4)
	if text := s.journal(); strings.Contains(text, "connections closed at the end of the drain") {
		t.Errorf("connections were cut:\n%s", text)
	}
}

// A service that stops does not wait for idle clients: no generation accepts, and
// new connections wait for the next start.
func TestRestartWithIdleConnection(t *testing.T) { onEach(t, restartWithIdleConnection) }

func restartWithIdleConnection(t *testing.T, s *site) {
	s.release("web", "integration/faulty", "version=good", "linger=1h", "drainTimeout=30m")
	s.install("web")
	idle := s.dial(webAddress)
	r := bufio.NewReader(idle)
	s.get(idle, "/")
	if _, err := readAnswer(r); err != nil {
		t.Fatal(err)
	}
	_, err := s.run("systemctl", "restart", "web.service")
	s.must(err)
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v, want its end", err)
	}
	if a := s.ask("/"); a.generation != 1 {
		t.Errorf("after the restart it answers as %+v", a)
	}
}

// A header that is longer on its way than Linger is answered. A body that has neither
// length nor chunks does not look whole when it is cut at the end of the drain.
func TestSlowClients(t *testing.T) { onEach(t, slowClients) }

func slowClients(t *testing.T, s *site) {
	s.release("web", "integration/faulty", "version=good", "linger=100ms", "drainTimeout=3s")
	s.install("web")
	idle, slow, cut := s.dial(webAddress), s.dial(webAddress), s.dial(webAddress)
	fromIdle, fromSlow, fromCut := bufio.NewReader(idle), bufio.NewReader(slow), bufio.NewReader(cut)
	for c, r := range map[net.Conn]*bufio.Reader{idle: fromIdle, slow: fromSlow} {
		s.get(c, "/")
		if _, err := readAnswer(r); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprint(cut, "POST /hold HTTP/1.0\r\nContent-Length: 10\r\n\r\nhalf")
	for _, want := range []string{"HTTP/1.0 200 OK", "half"} {
		s.readTo(fromCut, want)
	}
	fmt.Fprint(slow, "GET / HTTP/1.1\r\nHo")
	s.reload("web")
	if _, err := fromIdle.ReadByte(); err != io.EOF {
		t.Fatalf("the idle connection at the end of Linger: %v", err)
	}
	fmt.Fprint(slow, "st: web\r\n\r\n")
	if a, err := readAnswer(fromSlow); err != nil || a.generation != 1 || !a.close {
		t.Errorf("a slow header: %+v, %v", a, err)
	}
	if _, err := fromCut.ReadByte(); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the end of half a body: %v, want a reset", err)
	}
}

// readTo reads up to the end of text.
func (s *site) readTo(r *bufio.Reader, text string) {
	s.Helper()
	var read strings.Builder
	for !strings.HasSuffix(read.String(), text) {
		b, err := r.ReadByte()
		if err != nil {
			s.Fatalf("read %q, then %v, want %q", read.String(), err, text)
		}
		read.WriteByte(b)
	}
}

// Connections of HTTP/2 that are idle for longer than Linger are told to go, so nothing
// that crosses their end on a network is lost. make h2idle is the same at length.
func TestIdleHTTP2(t *testing.T) { onEach(t, idleHTTP2) }

func idleHTTP2(t *testing.T, s *site) {
	s.release("web", "integration/faulty", "version=good", "linger=300ms")
	s.install("web")
	l, err := load.Start(s.ctx, load.Config{
		Dial:  load.Far(s.manager.Host().Dial, 40*time.Millisecond),
		Web:   []load.Endpoint{{Network: "tcp", Address: webAddress}},
		Short: load.Clients{Count: -1}, KeepAlive: load.Clients{Count: -1}, Thinking: -1,
		HTTP2: load.Clients{Count: 60, Rate: 60 / 0.6},
	})
	s.must(err)
	answered := func(generation int) {
		s.eventually(fmt.Sprintf("generation %d answers", generation), func() bool {
			for _, g := range l.Snapshot().Web {
				if g.Number == generation && g.Answers >= 120 {
					return true
				}
			}
			return false
		})
	}
	for generation := 1; generation <= 3; generation++ {
		answered(generation)
		predecessor := s.mainPID("web")
		s.upgrade("web")
		s.gone(predecessor)
	}
	answered(4)
	if c := l.Stop(); c.Lost() {
		t.Errorf("failed %d of %d requests: %v", c.Failed, c.Requests, c.Failures)
	}
}
