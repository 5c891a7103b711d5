package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/instar-project/instar/reload/internal/drainctx"
	"github.com/instar-project/instar/reload/internal/intake"
)

// Graceful serves ln, which is a [Service.Listener], by the server of a library that has a
// method to serve, one to come to its end, and perhaps one to stop at once:
//
//	reload.Graceful(ln, func(ctx context.Context, ln net.Listener) reload.Running {
//		s := grpc.NewServer()
//		pb.RegisterGreeterServer(s, greeter{})
//		return reload.Running{
//			Serve:        func() error { return s.Serve(ln) },
//			GracefulStop: s.GracefulStop,
//			Stop:         s.Stop,
//		}
//	})
//
// start makes the server: when Serve is called, and again if this generation takes back,
// for most libraries cannot serve twice. The run that was ending then comes to its end
// beside the new one. Each run has a listener of its own for the same socket, which the
// library may close. It may be wrapped, such as by tls.NewListener.
//
// ctx is done when this generation stops accepting, as the context of [Streams]: for
// streams and other calls without an end.
func Graceful(ln net.Listener, start func(ctx context.Context, ln net.Listener) Running) Server {
	g := newGraceful(ln, start)
	if original, ok := ln.(*intake.Listener); ok {
		g.intake = original.Intake()
		g.again = func() (net.Listener, error) { return original.Again() }
	}
	return g
}

// GracefulPackets is [Graceful] for a datagram socket, a [Service.PacketConn]. What a run
// has received is in flight until its Shutdown or GracefulStop has returned: a library
// that answers each datagram in a goroutine of its own needs no [Service.Begin], if it
// waits for those.
func GracefulPackets(pc net.PacketConn, start func(ctx context.Context, pc net.PacketConn) Running) Server {
	g := newGraceful(pc, start)
	if original, ok := pc.(intake.PacketConn); ok {
		g.intake = original.Intake()
		g.again = original.Again
	}
	return g
}

// graceful is the Server of a library.
type graceful[S io.Closer] struct {
	socket S
	again  func() (S, error) // nil: the socket is from elsewhere
	intake *intake.Intake
	start  func(context.Context, S) Running
	told   drainctx.Source
	wake   chan struct{} // for Serve
	closed chan struct{}

	mu      sync.Mutex
	due     bool // a run is to begin
	current *run // nil: none, or none since the last Resume
	runs    []*run
	serving sync.WaitGroup // of the runs
}

func newGraceful[S io.Closer](socket S, start func(context.Context, S) Running) *graceful[S] {
	return &graceful[S]{socket: socket, start: start, due: true, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (g *graceful[S]) Serve() error {
	if g.again == nil {
		return fmt.Errorf("reload: Graceful and GracefulPackets take a socket of the Service, not a %T", g.socket)
	}
	failed := make(chan error)
	for {
		if err := g.begin(failed); err != nil {
			return err
		}
		select {
		case <-g.wake:
		case err := <-failed:
			return err
		case <-g.closed:
			g.serving.Wait()
			return nil
		}
	}
}

// begin begins the run that is due, if one is.
func (g *graceful[S]) begin(failed chan<- error) error {
	g.mu.Lock()
	if !g.due {
		g.mu.Unlock()
		return nil
	}
	g.due = false
	own, err := g.again()
	if err != nil {
		g.mu.Unlock()
		return fmt.Errorf("reload: %w", err)
	}
	r := newRun(own)
	g.current, g.runs = r, append(g.runs, r)
	ctx := g.told.Context()
	g.serving.Add(1)
	g.mu.Unlock()

	// Without the lock: it is the application's, and a drain may come meanwhile.
	r.Running = g.start(ctx, own)
	close(r.made)
	go func() {
		defer g.serving.Done()
		err := r.Serve()
		if r.asked.Load() {
			return
		}
		if err == nil {
			err = errors.New("the Serve of a Running has returned before it was asked to")
		}
		select {
		case failed <- err:
		case <-g.closed:
		}
	}()
	return nil
}

func (g *graceful[S]) Drain(d Drain) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told.Drain(d.Reason, d.Deadline)
	g.due = false
	if g.current == nil {
		return
	}
	g.current.finish(d.Deadline, g.intake.Begin)
	switch {
	case g.intake.Connections() == 0:
		g.current.hurry(0)
	case errors.Is(d.Reason, ErrStopping):
		g.current.hurry(stopLinger)
	}
}

// Resume leaves the run that was ending to its end, and begins another.
func (g *graceful[S]) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told.Resume()
	if g.current != nil {
		g.current.leave()
		g.current = nil
	}
	g.due = true
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *graceful[S]) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.closed:
	default:
		close(g.closed)
	}
	for _, r := range g.runs {
		r.end()
	}
	return g.socket.Close()
}
