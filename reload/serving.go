package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// serverPatience is how long the servers may take for a call that is to return at
// once, and for the end of Serve after Close. No call waits longer for a server that
// hangs.
const serverPatience = 5 * time.Second

// serving is a server of the application, and the calls on it.
type serving struct {
	server Server
	name   string
	log    *slog.Logger
	over   chan struct{} // closed when Serve has returned
	last   chan struct{} // closed when the last call of Drain or Resume has

	mu    sync.Mutex
	asked bool // to come to its end
	ended bool // Serve has returned
}

func newServing(log *slog.Logger, i int, server Server) *serving {
	name := fmt.Sprintf("server %d (%T)", i+1, server)
	s := &serving{server: server, name: name, log: log.With("server", name), over: make(chan struct{}), last: make(chan struct{})}
	close(s.last)
	return s
}

// serve calls Serve. Its return is no failure once the server has been asked to come to
// its end: it is done then, and all else goes on.
func (s *serving) serve() error {
	defer close(s.over)
	err := s.server.Serve()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.asked {
		if err != nil {
			s.log.Info("a server has ended, as it was asked to", "error", err)
		}
		return nil
	}
	if err == nil {
		err = fmt.Errorf("Serve of %s has returned before Drain or Close was called", s.name)
	}
	return fmt.Errorf("reload: a server failed: %w", err)
}

func (s *serving) ask(asked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = asked
}

func (s *serving) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// call is a call of one of a server's methods.
type call struct {
	what     string
	returned <-chan struct{}
}

// drain begins a drain, or says in one that the service stops.
func (s *serving) drain(d Drain) call {
	s.ask(true)
	return s.inTurn("Drain", func() { s.server.Drain(d) })
}

func (s *serving) resume() call {
	s.ask(false)
	return s.inTurn("Resume", s.server.Resume)
}

// inTurn makes a call once the one before has returned.
func (s *serving) inTurn(method string, f func()) call {
	before, returned := s.last, make(chan struct{})
	s.last = returned
	go func() {
		defer close(returned)
		<-before
		f()
	}()
	return call{method + " of " + s.name, returned}
}

// close waits for no call before it: that one may hang.
func (s *serving) close() []call {
	s.ask(true)
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		// Much may be closed already.
		if err := s.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("a server complains when it is closed", "error", err)
		}
	}()
	return []call{{"Close of " + s.name, returned}, {"Serve of " + s.name, s.over}}
}

// await waits for calls, and names those that have not returned when ctx is done or
// serverPatience is over.
func await(ctx context.Context, calls []call) error {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	var errs []error
	for _, c := range calls {
		select {
		case <-c.returned:
			continue
		default:
		}
		select {
		case <-c.returned:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("reload: %s does not return", c.what))
		}
	}
	return errors.Join(errs...)
}

// resumeServers ends a drain. It fails if this generation cannot serve as it did
// before: a server has ended, or has closed one of the sockets that were open then.
func (s *Service) resumeServers(open map[string]bool) error {
	var calls []call
	for _, server := range s.servers {
		calls = append(calls, server.resume())
	}
	errs := []error{await(context.Background(), calls)}
	for _, server := range s.servers {
		if server.hasEnded() {
			errs = append(errs, fmt.Errorf("reload: %s has ended and cannot serve again", server.name))
		}
	}
	now := s.intake.Sockets()
	for _, socket := range slices.Sorted(maps.Keys(open)) {
		if !now[socket] {
			errs = append(errs, fmt.Errorf("reload: the socket %s was closed in the drain and is not served again", socket))
		}
	}
	return errors.Join(errs...)
}

// shut closes the servers and waits for them, but not for ever.
func (s *Service) shut() error {
	var calls []call
	for _, server := range s.servers {
		calls = append(calls, server.close()...)
	}
	return await(context.Background(), calls)
}
