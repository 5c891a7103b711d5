package main

import (
	"fmt"
	"slices"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/internal/generation"
)

// matrix makes the cells of what was recorded.
//
// Impossible cells, such as the death of a successor that has not been started,
// are those in which the recording has no process for the fault to meet. Cells
// that have been before are those whose process has taken the same steps, up to
// this one, in an earlier story; a story that is whole has none.
func matrix(all []recording) (cells []cell, impossible int) {
	seen := map[string]bool{}
	for _, r := range all {
		history := map[inject.Side]string{}
		for _, step := range r.steps {
			history[step.Side] += step.String() + "\n"
			been := seen[history[step.Side]]
			seen[history[step.Side]] = true
			if been && !r.story.whole {
				continue
			}
			for _, f := range inject.Faults() {
				peer := 0
				if step.peer {
					peer = 2
				}
				if len(f.Victims(step.Side, 1, peer)) == 0 {
					impossible++
					continue
				}
				cells = append(cells, cell{story: r.story, step: step.Step, fault: f, held: step.held})
			}
		}
	}
	return cells, impossible
}

// elsewhere are the verbs that no story can get to, and what shows them instead.
var elsewhere = map[generation.Verb]string{
	generation.PassOn: "systemd has to ask for a reload between two datagrams: the exploration of the state machine, and TestReloadIsPassedOn of package reload",
}

// untold lists the verbs and phases of the state machine that no story gets to.
func untold(all []recording) (missing []string) {
	told := func(kind, name string) {
		for _, r := range all {
			if slices.ContainsFunc(r.steps, func(s recorded) bool { return s.Kind == kind && s.Name == name }) {
				return
			}
		}
		missing = append(missing, fmt.Sprintf("the %s %q", kind, name))
	}
	for _, v := range generation.Verbs() {
		if elsewhere[v] != "" {
			continue
		}
		told(inject.Verb, v.String())
	}
	for _, p := range generation.Phases() {
		told(inject.Phase, p.String())
	}
	return missing
}
