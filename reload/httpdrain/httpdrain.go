// Package httpdrain serves HTTP with package reload so that no request is lost
// when one generation follows another.
//
// http.Server.Shutdown is no help with HTTP/1. It closes idle connections at once,
// while a request may be on its way, and it closes a connection whose first
// request it is just reading. A client sees a reset in both cases. So a server that
// drains is a lame duck: it answers every request, those on idle connections as
// well, with Connection: close, and so lets the client end the connection knowingly.
// Only connections that stay idle for Linger after the handover are closed by the
// server.
//
// # HTTP/2
//
// Every HTTP/2 connection gets GOAWAY at the drain, idle or busy. Requests that cross
// it on the network are answered, and the connection ends when its streams have. That
// holds over TLS, without TLS (http.Server.Protocols), and with
// golang.org/x/net/http2/h2c around the handler; nothing has to be set up for it.
// golang.org/x/net/http2.ConfigureServer works as it does with net/http: on the server
// that New gets.
//
// # gRPC
//
// grpc.Server is a handler. As one it drains, and serves again if its generation
// takes back, which it cannot after GracefulStop:
//
//	protocols := new(http.Protocols)
//	protocols.SetUnencryptedHTTP2(true) // or a TLS listener that offers h2
//	server := httpdrain.New(&http.Server{Handler: grpcServer, Protocols: protocols}, ln)
//
// # Connections that never end
//
// A stream of server-sent events or a WebSocket would keep its generation until
// reload.Config.DrainTimeout, and be cut then. Functions that were registered by
// http.Server.RegisterOnShutdown are called when a drain begins, as Shutdown calls
// them, so a hub that is written for net/http needs no change. A handler may use the
// context of [Draining] instead:
//
//	ctx := httpdrain.Draining(r.Context())
//	for {
//		select {
//		case event := <-events:
//			…
//		case <-ctx.Done():
//			return // the client connects again, to the next generation
//		}
//	}
//
// # State that is parked
//
// A service with a [reload.Keeper] parks its state before the takeover, and requests
// still come on the connections that clients have kept. A handler whose state is parked
// answers with [AskAgain]: the client asks the generation that has the state.
//
// # Limits
//
// HTTP/1.1 has no way to tell the client of an idle connection that it will be closed. A
// request that crosses the close on the network is lost; clients send it again if
// it is idempotent (GET), and most do not if it is a POST. Only a client that asks more
// seldom than once per Linger can meet it, or one that has asked before the drain and
// not since. A body without a length, in chunks or not, that is cut at DrainTimeout
// ends in an error at the client, except over a Unix socket if it has neither length
// nor chunks.
//
// # A server that is not yours
//
// Frameworks that are an http.Handler (chi, gin, echo, grpc-gateway) need only an
// http.Server around them. A program that insists on its own http.Server and has
// no handler to give away is a [reload.Server] by hand. In Drain, have its answers
// say Connection: close, by a middleware; call its Shutdown when idle clients have
// had time to ask once more, in a goroutine between [reload.Service.Begin] and its
// done. In Resume, take that back, or have Serve return an error if it cannot serve
// again: systemd restarts the service then.
package httpdrain

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/internal/drainctx"
)

// defaultLinger is long for a client that has a next request, and short for a
// generation that wants to end.
const defaultLinger = 5 * time.Second

// stopLinger is the most that a server lingers when its service stops: the request of
// a client that connects meanwhile waits for as long.
const stopLinger = 500 * time.Millisecond

// Server is a [reload.Server] for an http.Server. Make it with New.
type Server struct {
	// Linger is how long a generation that drains waits for the next request
	// on an idle HTTP/1 connection before it closes it, counted from the handover or
	// from the end of the last answer, whichever is later. Zero: 5 s.
	// Longer than reload.Config.DrainTimeout is the same as that. When the service
	// stops, nobody else answers meanwhile, and half a second is the most.
	Linger time.Duration

	listeners []net.Listener
	user      *http.Server // has the settings and the hooks, and serves nothing
	front     *http.Server // serves
	handler   http.Handler
	conns     table
	draining  atomic.Bool

	told drainctx.Source

	mu     sync.Mutex
	began  time.Time
	linger time.Duration // of the drain under way
	sweep  *time.Timer   // runs while draining
	hooks  *time.Timer   // of the user's server
}

var _ reload.Server = (*Server)(nil)

// New makes a reload.Server that serves on listeners, those of
// reload.Service.Listener or TLS listeners around them, as server is set when
// Serve is called. server itself never serves: its Serve, Close and
// SetKeepAlivesEnabled are not to be called. When a drain begins, its Shutdown is, for
// the functions that its RegisterOnShutdown has been given. A generation that takes
// back and drains again calls them again.
func New(server *http.Server, listeners ...net.Listener) *Server {
	return &Server{
		listeners: listeners,
		user:      server,
		front:     new(http.Server),
		conns:     newTable(),
	}
}

// Serve serves every listener until Close.
func (s *Server) Serve() error {
	if err := s.prepare(); err != nil {
		return err
	}
	failed := make(chan error, len(s.listeners))
	for _, ln := range s.listeners {
		go func() { failed <- s.front.Serve(ln) }()
	}
	var errs []error
	for range s.listeners {
		err := <-failed
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			continue
		}
		// One listener that fails ends them all.
		errs = append(errs, err, s.Close())
	}
	return errors.Join(errs...)
}

// Drain makes the server a lame duck: for a short time if the service stops.
func (s *Server) Drain(d reload.Drain) {
	s.told.Drain(d.Reason, d.Deadline)
	linger := s.lingers()
	if errors.Is(d.Reason, reload.ErrStopping) {
		linger = min(linger, stopLinger)
	}
	s.drain(linger)
}

func (s *Server) lingers() time.Duration {
	if s.Linger == 0 {
		return defaultLinger
	}
	return s.Linger
}

func (s *Server) drain(linger time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linger = linger
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.sweep = time.AfterFunc(linger, s.closeIdle)
	if s.draining.Swap(true) {
		return
	}
	s.began = time.Now()
	for _, c := range s.conns.allHTTP2() {
		c.sayGoAway(s.patience())
	}
	hooks := time.Duration(0)
	if s.user.TLSNextProto[overTLS] != nil {
		// golang.org/x/net/http2.ConfigureServer has set it, and hangs the last GOAWAY of
		// its connections there.
		hooks = min(time.Second, s.linger)
	}
	// Shutdown has nothing to wait for, unless the user's server serves elsewhere.
	s.hooks = time.AfterFunc(hooks, func() { _ = s.user.Shutdown(context.Background()) })
}

// patience is how long a client has to answer a first GOAWAY; s.mu is held.
func (s *Server) patience() time.Duration { return min(defaultLinger, s.linger) }

// closeIdle closes the connections that have been idle for too long, and comes back
// for the next.
func (s *Server) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining.Load() {
		return
	}
	overdue, next := s.conns.overdue(s.began, s.linger)
	for _, c := range overdue {
		// It may take its time: a TLS connection has something to say first.
		go c.Close()
	}
	s.sweep.Reset(next)
}

// Resume makes the server serve as before.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(false)
	s.told.Resume()
	s.sweep.Stop()
	s.hooks.Stop()
}

// Close closes the server with whatever is still in flight.
func (s *Server) Close() error {
	s.mu.Lock()
	s.draining.Store(false)
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.mu.Unlock()
	s.conns.cut()
	return s.front.Close()
}

// Draining returns a copy of a request's context that is done as well when the server
// begins to drain: an answer without an end is to end then. [context.Cause] tells the
// drain, reload.ErrHandedOver or reload.ErrStopping, from the end of the request, and in
// a drain the deadline is that of the drain, by which the connection is closed. The
// request's own context is not cancelled by a drain.
//
// ctx may be derived from the request's context. One that is not is returned as it is.
func Draining(ctx context.Context) context.Context {
	s, ok := ctx.Value(contextKey{}).(*Server)
	if !ok {
		return ctx
	}
	return s.told.Within(ctx)
}

// contextKey is the key of the *Server in the context of its requests.
type contextKey struct{}
