package faults

import (
	"slices"
	"strings"
	"testing"

	"github.com/instar-project/instar/integration/faulty/inject"
)

// told is a short upgrade, recorded.
func told() recording {
	r := recording{story: story{name: "short", serves: successor, whole: true}}
	for _, s := range []struct {
		side       inject.Side
		kind, name string
		peer       bool
	}{
		{inject.Predecessor, inject.Phase, "preparing", false},
		{inject.Predecessor, inject.Verb, "spawn", false},
		{inject.Successor, inject.Phase, "ready", true},
		{inject.Predecessor, inject.Verb, "store", true},
		{inject.Predecessor, inject.Verb, "announce takeover", true},
		{inject.Successor, inject.Phase, "entering", true},
		{inject.Predecessor, inject.Verb, "name successor", true},
		{inject.Predecessor, inject.Phase, "draining", true},
		{inject.Predecessor, inject.Phase, "ended", true},
		{inject.Successor, inject.Verb, "settle", false},
	} {
		r.steps = append(r.steps, recorded{Step: inject.Step{Side: s.side, Kind: s.kind, Name: s.name}, peer: s.peer})
	}
	return r
}

func TestMatrix(t *testing.T) {
	again := told()
	again.story.name, again.story.whole = "again", false
	again.steps = append(slices.Clone(again.steps), recorded{Step: inject.Step{Side: inject.Predecessor, Kind: inject.Verb, Name: "end"}})
	cells, impossible, left := matrix([]recording{told(), again})
	perStory := map[string]int{}
	for _, c := range cells {
		perStory[c.story.name]++
	}
	// A predecessor alone has no successor to kill or stop, a successor alone no
	// predecessor to kill or stop. Nine faults go everywhere, the others to 18 steps.
	if want := 10*9 - 2*2 - 1 + 18; perStory["short"] != want {
		t.Errorf("%d cells, want %d", perStory["short"], want)
	}
	if want := 9 - 2 + 2; perStory["again"] != want {
		t.Errorf("%d cells of a story that differs in its last step, want %d", perStory["again"], want)
	}
	if impossible != 2*2+1+2+1 {
		t.Errorf("%d cells are impossible", impossible)
	}
	if left[inject.HangMain] != 10 || left[inject.HangPark] != 10 {
		t.Errorf("left out are %v", left)
	}
	anew := told()
	anew.story.whole, anew.story.anew = false, []string{"draining"}
	cells, _, _ = matrix([]recording{told(), anew})
	for _, c := range cells[perStory["short"]:] {
		if c.step.Name != "draining" {
			t.Errorf("%v is not new", c)
		}
	}
	if len(cells) == perStory["short"] {
		t.Error("no step makes cells anew")
	}
}

// A cell that is left out has a reason, which is printed.
func TestLeftOut(t *testing.T) {
	for _, f := range inject.Faults() {
		if _, ok := some[f]; ok && whyLeftOut(f) == "" {
			t.Errorf("%s is left out without a reason", f)
		}
	}
}

// A step that no story gets to does not go unnoticed.
func TestUntold(t *testing.T) {
	missing := strings.Join(untold([]recording{told()}), ", ")
	if !strings.Contains(missing, `the verb "offer"`) || !strings.Contains(missing, `the phase "proving"`) {
		t.Errorf("missing are: %s", missing)
	}
	if strings.Contains(missing, `"spawn"`) {
		t.Errorf("missing are: %s", missing)
	}
}

func TestForecasts(t *testing.T) {
	r := told()
	for _, c := range []struct {
		side  inject.Side
		name  string
		fault inject.Fault
		want  []forecast
	}{
		{inject.Predecessor, "preparing", inject.KillPredecessor, []forecast{systemdRestarts}},
		{inject.Predecessor, "announce takeover", inject.Exit0, []forecast{systemdRestarts}},
		{inject.Predecessor, "name successor", inject.KillPredecessor, []forecast{systemdRestarts, carriesOn}},
		{inject.Successor, "entering", inject.KillPredecessor, []forecast{systemdRestarts, carriesOn}},
		{inject.Predecessor, "draining", inject.Panic, []forecast{carriesOn}},
		{inject.Predecessor, "draining", inject.KillSuccessor, []forecast{takesBack}},
		{inject.Predecessor, "ended", inject.KillSuccessor, []forecast{systemdRestarts}},
		{inject.Successor, "settle", inject.Exit1, []forecast{systemdRestarts}},
		{inject.Predecessor, "draining", inject.KillBoth, []forecast{systemdRestarts}},
		{inject.Successor, "ready", inject.StopSuccessor, []forecast{takesBack}},
		{inject.Successor, "entering", inject.StopSuccessor, []forecast{systemdRestarts}},
		{inject.Predecessor, "store", inject.DiskFull, []forecast{takesBack}},
		{inject.Predecessor, "draining", inject.DiskFull, []forecast{carriesOn}},
		{inject.Predecessor, "spawn", inject.CloseNotify, []forecast{systemdRestarts}},
		{inject.Predecessor, "draining", inject.CloseNotify, []forecast{carriesOn}},
		{inject.Successor, "ready", inject.CloseNotify, []forecast{systemdRestarts}},
		{inject.Predecessor, "store", inject.StopPredecessor, []forecast{systemdRestarts}},
		{inject.Predecessor, "draining", inject.StopPredecessor, []forecast{carriesOn}},
		{inject.Predecessor, "store", inject.StopBoth, []forecast{systemdRestarts}},
		{inject.Predecessor, "ended", inject.HangMain, []forecast{carriesOn}},
		{inject.Predecessor, "store", inject.HangPark, []forecast{systemdRestarts}},
		{inject.Successor, "ready", inject.HangAdopt, []forecast{takesBack}},
		{inject.Predecessor, "preparing", inject.FailServer, []forecast{systemdRestarts}},
		{inject.Predecessor, "draining", inject.FailServer, []forecast{carriesOn}},
		{inject.Successor, "ready", inject.FailServer, []forecast{takesBack}},
		{inject.Predecessor, "spawn", inject.FailSends, []forecast{takesBack}},
		{inject.Predecessor, "name successor", inject.FailSends, []forecast{carriesOn}},
	} {
		for _, step := range r.steps {
			if step.Side != c.side || step.Name != c.name {
				continue
			}
			if got := r.forecasts(cell{story: r.story, step: step.Step, fault: c.fault}); !slices.Equal(got, c.want) {
				t.Errorf("%v, %s: %v, want %v", step.Step, c.fault, got, c.want)
			}
		}
	}
}
