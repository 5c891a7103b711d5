package drainctx

import (
	"context"
	"errors"
	"testing"
	"time"
)

var (
	errReason = errors.New("the reason")
	later     = time.Now().Add(time.Hour)
)

func TestContext(t *testing.T) {
	var s Source
	ctx := s.Context()
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	if ctx.Err() != nil {
		t.Fatal("done before the drain")
	}
	if _, ok := ctx.Deadline(); ok {
		t.Error("it has a deadline before the drain")
	}
	s.Drain(errReason, later)
	s.Drain(errors.New("another"), later.Add(time.Hour)) // told once more
	for _, c := range []context.Context{ctx, child, s.Context()} {
		if <-c.Done(); context.Cause(c) != errReason || c.Err() != context.Canceled {
			t.Errorf("Cause %v, Err %v", context.Cause(c), c.Err())
		}
		if at, ok := c.Deadline(); !ok || !at.Equal(later) {
			t.Errorf("Deadline %v, %v", at, ok)
		}
	}
	s.Resume()
	if fresh := s.Context(); fresh.Err() != nil {
		t.Error("there is no new context after Resume")
	}
	if ctx.Err() == nil {
		t.Error("Resume has undone the end of the old one")
	}
	s.Drain(errReason, later)
	if s.Context().Err() == nil {
		t.Error("the second drain has not begun")
	}
}

type key struct{}

func TestWithin(t *testing.T) {
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	var s Source
	ctx := s.Within(parent)
	if ctx.Err() != nil || ctx.Value(key{}) != "value" {
		t.Fatalf("%v, value %v", ctx.Err(), ctx.Value(key{}))
	}
	s.Drain(errReason, later)
	for _, c := range []context.Context{ctx, s.Within(parent)} {
		<-c.Done()
		if context.Cause(c) != errReason {
			t.Errorf("Cause %v", context.Cause(c))
		}
		if at, ok := c.Deadline(); !ok || !at.Equal(later) {
			t.Errorf("Deadline %v, %v", at, ok)
		}
	}
	if parent.Err() != nil {
		t.Error("the drain has ended the parent")
	}
}

// The context of a request ends with the request, and keeps its own earlier deadline.
func TestWithinEndsWithItsParent(t *testing.T) {
	sooner := later.Add(-time.Minute)
	parent, cancel := context.WithDeadline(t.Context(), sooner)
	var s Source
	ctx := s.Within(parent)
	cancel()
	if <-ctx.Done(); context.Cause(ctx) != context.Canceled {
		t.Errorf("Cause %v", context.Cause(ctx))
	}
	s.Drain(errReason, later)
	if at, ok := ctx.Deadline(); !ok || !at.Equal(sooner) {
		t.Errorf("Deadline %v, %v", at, ok)
	}
}
