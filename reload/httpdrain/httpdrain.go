// Package httpdrain serves HTTP with package reload so that no request is lost
// when one generation follows another.
//
// http.Server.Shutdown is no help there. It closes idle connections at once,
// while a request may be on its way, and it closes a connection whose first
// request it is just reading. A client sees a reset in both cases. So this
// package never calls it. A server that drains is a lame duck: it answers every
// request, those on idle connections as well, with Connection: close, and so
// lets the client end the connection knowingly. Only connections that stay
// idle for Linger after the handover are closed by the server.
package httpdrain

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/reload"
)

// DefaultLinger is long for a client that has a next request, and short for a
// generation that wants to end.
const DefaultLinger = 5 * time.Second

// Server is a [reload.Server] for an http.Server. Make it with New.
type Server struct {
	// Linger is how long a generation that drains waits for the next request
	// on an idle connection before it closes it, counted from the handover or
	// from the end of the last answer, whichever is later. Zero: DefaultLinger.
	// Longer than reload.Config.DrainTimeout is the same as that.
	Linger time.Duration

	server    *http.Server
	listeners []net.Listener
	draining  atomic.Bool

	mu    sync.Mutex
	idle  map[net.Conn]time.Time // since when each has no request under way
	sweep *time.Timer            // runs while draining
}

var _ reload.Server = (*Server)(nil)

// New makes a reload.Server of server, which is to serve on listeners, those
// of reload.Service.Listener or TLS listeners around them. It wraps the
// server's Handler and ConnState; all else of server stays the caller's to set.
func New(server *http.Server, listeners ...net.Listener) *Server {
	s := &Server{server: server, listeners: listeners, idle: make(map[net.Conn]time.Time)}
	handler := server.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
	observe := server.ConnState
	server.ConnState = func(c net.Conn, state http.ConnState) {
		s.note(c, state)
		if observe != nil {
			observe(c, state)
		}
	}
	return s
}

func (s *Server) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		s.idle[c] = time.Now()
	default:
		delete(s.idle, c)
	}
}

// Serve serves every listener until Close.
func (s *Server) Serve() error {
	failed := make(chan error, len(s.listeners))
	for _, ln := range s.listeners {
		go func() { failed <- s.server.Serve(ln) }()
	}
	var errs []error
	for range s.listeners {
		err := <-failed
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			continue
		}
		// One listener that fails ends them all.
		errs = append(errs, err, s.server.Close())
	}
	return errors.Join(errs...)
}

// Drain makes the server a lame duck.
func (s *Server) Drain() {
	linger := s.Linger
	if linger == 0 {
		linger = DefaultLinger
	}
	began := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	s.sweep = time.AfterFunc(linger, func() { s.closeIdle(began, linger) })
}

// closeIdle closes the connections that have been idle for linger, and comes
// back for the next.
func (s *Server) closeIdle(began time.Time, linger time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining.Load() {
		return
	}
	next := linger
	for c, since := range s.idle {
		if since.Before(began) {
			since = began
		}
		if left := linger - time.Since(since); left > 0 {
			next = min(next, left)
			continue
		}
		delete(s.idle, c)
		c.Close()
	}
	s.sweep.Reset(next)
}

// Resume makes the server serve as before.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(false)
	s.sweep.Stop()
}

// Close closes the server with whatever is still in flight.
func (s *Server) Close() error {
	s.mu.Lock()
	s.draining.Store(false)
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.mu.Unlock()
	// Unlocked: the connections it closes are noted.
	return s.server.Close()
}
