package faults

import (
	"fmt"
	"slices"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/internal/generation"
)

// some are the faults that are not brought in at every step: where they are, and why
// not elsewhere.
var some = map[inject.Fault]struct {
	at  func(inject.Step) bool
	why string
}{
	inject.StopPredecessor: {atVerbs(), "a process stopped in a phase is one stopped at the next verb"},
	inject.StopBoth:        {atVerbs(), "processes stopped in a phase are processes stopped at the next verb"},
	inject.HangMain:        {atVerbs("end"), "a program that will hang after Serve is like any other until then"},
	inject.HangAdopt:       {atVerbs("adopt"), "an Adopt that will hang is like any other until then"},
	inject.HangPark:        {atVerbs("store"), "a Park that will hang is like any other until then"},
	inject.FailServer:      {func(s inject.Step) bool { return s.Kind == inject.Phase }, "the failure of a server is an event, and its effect depends on the phase"},
	inject.FailSends: {
		atVerbs("spawn", "store", "offer", "adopt", "announce takeover", "name successor", "release", "name self", "settle"),
		"no descriptor is sent there",
	},
}

// whyLeftOut is why a fault is not brought in at every step.
func whyLeftOut(f inject.Fault) string {
	if f == inject.StopBoth {
		return some[f].why + "; and one process alone is stopped already"
	}
	return some[f].why
}

// atVerbs is about the verbs of these names; of none: about all.
func atVerbs(names ...string) func(inject.Step) bool {
	return func(s inject.Step) bool {
		return s.Kind == inject.Verb && (len(names) == 0 || slices.Contains(names, s.Name))
	}
}

// matrix makes the cells of the recordings, and counts those that some leaves out.
//
// Impossible cells, such as the death of a successor that has not been started,
// are those in which the recording has no process for the fault to meet. Cells
// that have been before are those whose process has taken the same steps, up to
// this one, in an earlier story; a story that is whole has none.
func matrix(all []recording) (cells []cell, impossible int, left map[inject.Fault]int) {
	left = map[inject.Fault]int{}
	seen := map[string]bool{}
	for _, r := range all {
		history := map[inject.Side]string{}
		for _, step := range r.steps {
			history[step.Side] += step.String() + "\n"
			been := seen[history[step.Side]]
			seen[history[step.Side]] = true
			anew := step.Side == inject.Predecessor && slices.Contains(r.story.anew, step.Name)
			if been && !r.story.whole && !anew {
				continue
			}
			for _, f := range inject.Faults() {
				peer := 0
				if step.peer {
					peer = 2
				}
				victims := len(f.Victims(step.Side, 1, peer))
				if victims == 0 {
					impossible++
					continue
				}
				if only, ok := some[f]; ok && !only.at(step.Step) || f == inject.StopBoth && victims < 2 {
					left[f]++
					continue
				}
				cells = append(cells, cell{story: r.story, step: step.Step, fault: f, held: step.held})
			}
		}
	}
	return cells, impossible, left
}

// elsewhere are the verbs that no story can get to, and the tests that show them
// instead.
var elsewhere = map[generation.Verb]string{
	generation.PassOn:   "systemd has to ask for a reload between two datagrams: the exploration of the state machine, and TestReloadIsPassedOn of package reload",
	generation.Conclude: "a predecessor has to die before it gives the verdict, which is a fault: the cells that kill it",
	generation.Hurry:    "systemd has to stop a service that drains: TestStopWhileDraining of package reload",
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
