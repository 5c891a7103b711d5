package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/instar-project/instar/internal/testkit"
)

// foreignServer is a server as libraries have them: it serves once, closes its listener when it
// is to come to its end, and closes a connection that it has not read from by then.
type foreignServer struct {
	number int
	ctx    context.Context
	ln     net.Listener

	mu       sync.Mutex
	over     bool
	handlers sync.WaitGroup
	finishes chan struct{} // closed when GracefulStop is called
	stopped  chan struct{} // closed when Stop is
}

var errLibraryEnded = errors.New("the library's server is closed")

func newForeignServer(number int, ctx context.Context, ln net.Listener) *foreignServer {
	return &foreignServer{number: number, ctx: ctx, ln: ln, finishes: make(chan struct{}), stopped: make(chan struct{})}
}

func (l *foreignServer) Serve() error {
	for {
		c, err := l.ln.Accept()
		if err != nil {
			return errLibraryEnded
		}
		l.mu.Lock()
		if l.over {
			l.mu.Unlock()
			c.Close()
			continue
		}
		l.handlers.Add(1)
		l.mu.Unlock()
		go func() {
			defer l.handlers.Done()
			defer c.Close()
			for buf := make([]byte, 1); ; {
				if _, err := c.Read(buf); err != nil || buf[0] == 'q' {
					return
				}
				fmt.Fprintln(c, l.number, context.Cause(l.ctx))
			}
		}()
	}
}

func (l *foreignServer) GracefulStop() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.ln.Close()
	close(l.finishes)
	l.handlers.Wait()
}

func (l *foreignServer) Shutdown(ctx context.Context) error {
	go l.GracefulStop()
	<-ctx.Done()
	return ctx.Err()
}

func (l *foreignServer) Stop() { close(l.stopped) }

func (l *foreignServer) Close() error { l.Stop(); return io.ErrClosedPipe }

// gracefulSite is a Graceful that serves, at the open gate of a service.
type gracefulSite struct {
	*testing.T
	Server
	svc   *Service
	ln    net.Listener
	runs  chan *foreignServer
	ended chan error
}

func startGraceful(t *testing.T, running func(*foreignServer) Running) *gracefulSite {
	ln, svc := tcpListener(t)
	s := &gracefulSite{T: t, svc: svc, ln: ln, runs: make(chan *foreignServer, 8), ended: make(chan error, 1)}
	n := 0
	s.Server = Graceful(ln, func(ctx context.Context, ln net.Listener) Running {
		n++
		l := newForeignServer(n, ctx, ln)
		s.runs <- l
		return running(l)
	})
	svc.intake.Open()
	return s
}

func (s *gracefulSite) serve() { go func() { s.ended <- s.Serve() }() }

// drain is what a Service does when it begins to drain.
func (s *gracefulSite) drain(reason error) {
	s.svc.intake.Close()
	s.Drain(Drain{reason, time.Now().Add(time.Hour)})
}

func (s *gracefulSite) resume() {
	s.Resume()
	s.svc.intake.Open()
}

// close closes the server, as a Service does at the end.
func (s *gracefulSite) close() {
	s.Helper()
	if err := s.Close(); err != nil {
		s.Error(err)
	}
	if err := <-s.ended; err != nil {
		s.Errorf("Serve: %v", err)
	}
}

type gracefulClient struct {
	net.Conn
	t *testing.T
}

func (s *gracefulSite) dial() gracefulClient { return gracefulClient{dial(s.T, s.ln.Addr()), s.T} }

func (c gracefulClient) want(want string) {
	c.t.Helper()
	buf := make([]byte, 256)
	if _, err := c.Write([]byte{'?'}); err != nil {
		c.t.Fatal(err)
	}
	if n, err := c.Read(buf); strings.TrimSpace(string(buf[:n])) != want || err != nil {
		c.t.Fatalf("%q, %v, want %q", buf[:n], err, want)
	}
}

func notLingering(l *foreignServer) Running {
	return Running{Serve: l.Serve, GracefulStop: l.GracefulStop, Stop: l.Stop, Linger: -1}
}

// After a take back there is a new run, though the library has closed the listener it
// was given, and the old one finishes its work beside it.
func TestGracefulTakeBack(t *testing.T) {
	testkit.CheckLeaks(t)
	s := startGraceful(t, notLingering)
	s.serve()
	before := s.dial()
	before.want("1 <nil>")
	open := s.svc.intake.Sockets()

	s.drain(ErrHandedOver)
	first := <-s.runs
	<-first.finishes
	before.want("1 " + ErrHandedOver.Error())
	s.resume()
	after := s.dial()
	after.want("2 <nil>")
	before.want("1 " + ErrHandedOver.Error())
	if now := s.svc.intake.Sockets(); len(now) != len(open) {
		t.Errorf("open are %v, and were %v", now, open)
	}

	s.drain(ErrStopping)
	after.want("2 " + ErrStopping.Error())
	for _, c := range []gracefulClient{before, after} {
		if landed(s.svc) {
			t.Error("a run that has work is not in flight")
		}
		c.Write([]byte{'q'})
	}
	if err := s.svc.intake.Landed(t.Context()); err != nil {
		t.Error(err)
	}
	s.close()
	for _, l := range []*foreignServer{first, <-s.runs} {
		<-l.stopped
	}
}

// The drain, and the take back, may come before the goroutine of Serve has run.
func TestGracefulBeforeServe(t *testing.T) {
	testkit.CheckLeaks(t)
	s := startGraceful(t, notLingering)
	s.drain(ErrHandedOver)
	if !landed(s.svc) {
		t.Error("a server that has not begun is in flight")
	}
	s.resume()
	s.serve()
	c := s.dial()
	c.want("1 <nil>")
	c.Close()
	s.close()

	s = startGraceful(t, notLingering)
	s.drain(ErrHandedOver)
	s.serve()
	s.close()
	if len(s.runs) != 0 {
		t.Error("a run has begun in a drain")
	}
}

// A run that does not end in time is stopped.
func TestGracefulDeadline(t *testing.T) {
	for name, running := range map[string]func(*foreignServer) Running{
		"GracefulStop": notLingering,
		"Shutdown": func(l *foreignServer) Running {
			return Running{Serve: l.Serve, Shutdown: l.Shutdown, Close: l.Close, Linger: -1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			s := startGraceful(t, running)
			s.serve()
			c := s.dial()
			c.want("1 <nil>")
			s.svc.intake.Close()
			s.Drain(Drain{ErrHandedOver, time.Now().Add(50 * time.Millisecond)})
			l := <-s.runs
			<-l.finishes
			<-l.stopped
			c.Close()
			s.close()
		})
	}
}

// A run lingers: a request that was on its way to a connection just accepted is answered.
func TestGracefulLingers(t *testing.T) {
	for name, hurry := range map[string]func(*gracefulSite){
		"until Linger is over": func(*gracefulSite) {},
		"until a stop":         func(s *gracefulSite) { s.drain(ErrStopping) },
		"until a take back":    func(s *gracefulSite) { s.resume() },
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			linger := time.Hour
			if name == "until Linger is over" {
				linger = 50 * time.Millisecond
			}
			s := startGraceful(t, func(l *foreignServer) Running {
				return Running{Serve: l.Serve, GracefulStop: l.GracefulStop, Linger: linger}
			})
			s.serve()
			c := s.dial()
			l := <-s.runs
			c.want("1 <nil>")
			s.drain(ErrHandedOver)
			if linger == time.Hour {
				select {
				case <-l.finishes:
					t.Error("it does not linger")
				default:
				}
			}
			hurry(s)
			<-l.finishes
			c.want("1 " + ErrHandedOver.Error())
			c.Close()
			s.close()
		})
	}
}

// Nobody is there to linger for.
func TestGracefulWithoutConnections(t *testing.T) {
	testkit.CheckLeaks(t)
	s := startGraceful(t, func(l *foreignServer) Running {
		return Running{Serve: l.Serve, GracefulStop: l.GracefulStop, Linger: time.Hour}
	})
	s.serve()
	l := <-s.runs
	s.drain(ErrHandedOver)
	<-l.finishes
	if err := s.svc.intake.Landed(t.Context()); err != nil {
		t.Error(err)
	}
	s.close()
}

// A library that cannot serve, or not again, ends its generation.
func TestGracefulFails(t *testing.T) {
	testkit.CheckLeaks(t)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"an error": {errors.New("no luck"), "no luck"},
		"nil":      {nil, "before it was asked to"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startGraceful(t, func(l *foreignServer) Running {
				r := notLingering(l)
				if l.number == 2 {
					r.Serve = func() error { return c.err }
				}
				return r
			})
			s.serve()
			<-s.runs
			s.drain(ErrHandedOver)
			s.resume()
			if err := <-s.ended; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			s.Close()
		})
	}
	foreign, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := Graceful(foreign, nil).Serve(); err == nil {
		t.Error("it serves a listener that does not move")
	}
}

// A datagram is in flight until the library has answered it, whoever does that; and the
// deadline by which the library ends its reader is none of the next run's.
func TestGracefulPackets(t *testing.T) {
	testkit.CheckLeaks(t)
	inner, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	svc := gated()
	pc := svc.intake.PacketConn("x", inner)
	client := dial(t, inner.LocalAddr())
	received, answer := make(chan struct{}), make(chan struct{})
	server := GracefulPackets(pc, func(_ context.Context, pc net.PacketConn) Running {
		var handlers sync.WaitGroup
		over := make(chan struct{})
		return Running{
			Serve: func() error {
				defer close(over)
				for buf := make([]byte, 64); ; {
					n, from, err := pc.ReadFrom(buf)
					if err != nil {
						return err
					}
					reply := string(buf[:n])
					handlers.Go(func() {
						received <- struct{}{}
						<-answer
						pc.WriteTo([]byte(reply), from)
					})
				}
			},
			Shutdown: func(context.Context) error {
				pc.SetReadDeadline(time.Unix(1, 0))
				<-over
				handlers.Wait()
				return pc.Close()
			},
		}
	})
	ended := make(chan error)
	go func() { ended <- server.Serve() }()
	svc.intake.Open()
	ask := func(question string) {
		if _, err := client.Write([]byte(question)); err != nil {
			t.Fatal(err)
		}
	}
	ask("first")
	<-received
	svc.intake.Close()
	server.Drain(Drain{ErrHandedOver, time.Now().Add(time.Hour)})
	if landed(svc) {
		t.Error("the generation ends with an answer owed")
	}
	server.Resume()
	svc.intake.Open()
	ask("second")
	<-received
	for range 2 {
		answer <- struct{}{}
	}
	got := map[string]bool{}
	for range 2 {
		buf := make([]byte, 64)
		n, err := client.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got[string(buf[:n])] = true
	}
	if !got["first"] || !got["second"] {
		t.Errorf("answers %v", got)
	}
	svc.intake.Close()
	server.Drain(Drain{ErrStopping, time.Now().Add(time.Hour)})
	if err := svc.intake.Landed(t.Context()); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}
