package faults

import (
	"context"
	"fmt"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
)

// recording is a story told without a fault.
type recording struct {
	story story
	steps []recorded
}

// recorded is a step, the first of its name on its side.
type recorded struct {
	inject.Step
	peer bool // the other process lives
	held bool // the predecessor's request is held
}

// record tells a story once and takes note of every step.
func record(ctx context.Context, lane *site.Lane, s story) (recording, outcome, error) {
	r := recording{story: s}
	o := run(ctx, lane, cell{story: s})
	if o.err != nil {
		return r, o, fmt.Errorf("%s: %w", s.name, o.err)
	}
	seen := map[inject.Step]bool{}
	for i, e := range o.trace {
		if e.Step == nil {
			continue
		}
		step := *e.Step
		for _, side := range []inject.Side{inject.Predecessor, inject.Successor} {
			if e.Generation == o.generation(s, side) {
				step.Side = side
			}
		}
		if step.Side == "" || seen[step] {
			continue
		}
		seen[step] = true
		r.steps = append(r.steps, recorded{Step: step, peer: e.Peer != 0, held: i < o.steps})
	}
	return r, o, nil
}

// index is where a side's step is in the order of the recording, or -1.
func (r recording) index(side inject.Side, kind, name string) int {
	for i, step := range r.steps {
		if step.Side == side && step.Kind == kind && step.Name == name {
			return i
		}
	}
	return -1
}
