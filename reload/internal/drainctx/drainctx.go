// Package drainctx makes contexts that are done when a drain begins. [context.Cause]
// gives the reason of the drain, and from then on Deadline is the deadline of the drain.
package drainctx

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Source makes the contexts of a server. Its zero value is that of a server that accepts.
type Source struct {
	mu      sync.Mutex
	current *drainContext // of the connections accepted since the last Resume
}

// drainContext is done when a drain begins.
type drainContext struct {
	context.Context
	cancel   context.CancelCauseFunc
	deadline atomic.Pointer[time.Time] // of the drain; nil: it has not begun
}

// Context returns the present context: done, if the server drains.
func (s *Source) Context() context.Context { return s.get() }

func (s *Source) get() *drainContext {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		s.current = new(drainContext)
		s.current.Context, s.current.cancel = context.WithCancelCause(context.Background())
	}
	return s.current
}

// Drain ends the present context. Only the first call before Resume counts.
func (s *Source) Drain(reason error, deadline time.Time) {
	c := s.get()
	if c.deadline.CompareAndSwap(nil, &deadline) {
		c.cancel(reason)
	}
}

// Resume ends the drain: from here on there is a new context.
func (s *Source) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = nil
}

func (c *drainContext) Deadline() (time.Time, bool) {
	if at := c.deadline.Load(); at != nil {
		return *at, true
	}
	return time.Time{}, false
}

// Within returns a copy of ctx that is also done when the drain begins. ctx has to end,
// as the context of a request does.
func (s *Source) Within(ctx context.Context) context.Context {
	drain := s.get()
	inner, cancel := context.WithCancelCause(ctx)
	end := func() { cancel(context.Cause(drain)) }
	if drain.Err() != nil {
		end()
	} else {
		forget := context.AfterFunc(drain, end)
		context.AfterFunc(ctx, func() { forget() })
	}
	return &joint{inner, drain}
}

// joint is done when a drain begins, or its parent is done.
type joint struct {
	context.Context
	drain *drainContext
}

// Deadline is the earlier one.
func (j *joint) Deadline() (time.Time, bool) {
	own, limited := j.Context.Deadline()
	end, drains := j.drain.Deadline()
	if drains && (!limited || end.Before(own)) {
		return end, true
	}
	return own, limited
}
