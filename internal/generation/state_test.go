package generation

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// scene is one step: an event, the phase that it leads to, and the actions that
// follow.
type scene struct {
	event Event
	phase Phase
	verbs []Verb
}

func on(k Kind, p Phase, verbs ...Verb) scene { return scene{Event{Kind: k}, p, verbs} }

func failing(k Kind, p Phase, verbs ...Verb) scene {
	return scene{Event{Kind: k, Err: fmt.Errorf("%v: %w", k, errWhy)}, p, verbs}
}

func onProbation(k Kind, p Phase, verbs ...Verb) scene {
	return scene{Event{Kind: k, Probation: true}, p, verbs}
}

var errWhy = errors.New("why")

func TestStories(t *testing.T) {
	initialised := on(Initialised, Initialising, Adopt)
	serving := on(Adopted, Serving, OpenGates, SayReady)
	reload := on(ReloadAsked, Preparing, Spawn, SayReloading)
	takeover := []scene{
		initialised, serving, reload,
		on(SuccessorReady, Storing, CloseGates, Store),
		on(Stored, TakingOver, TellSuperseded, AnnounceTakeover, NameSuccessor),
	}
	offered := []scene{
		initialised, serving, reload,
		on(SuccessorReady, Storing, CloseGates, Store),
		{Event{Kind: Stored, Offer: true}, Offering, []Verb{TellSuperseded, Offer}},
	}
	onTrial := []scene{
		on(Initialised, Ready, TellReady),
		on(TakeoverBegun, Entering),
		onProbation(TakenOver, Probation, OpenGates, BeginProbation),
	}
	proving := []scene{
		initialised, serving, reload,
		onProbation(SuccessorReady, Storing, CloseGates, Store),
		on(Stored, TakingOver, TellSuperseded, AnnounceTakeover, NameSuccessor),
		on(Named, Proving),
	}
	handedOver := append(takeover[:len(takeover):len(takeover)], on(Named, Draining, Succeed, Drain))
	takenBack := on(Adopted, Serving, OpenGates, Fail, Settle)
	resumed := on(Adopted, Serving, OpenGates, SayReady, Settle)
	then := func(before []scene, more ...scene) []scene { return append(slices.Clip(before), more...) }

	for _, c := range []struct {
		name   string
		start  State
		scenes []scene
	}{
		{"a predecessor", First(), then(handedOver,
			on(DrainedOut, Draining),
			on(SuccessorLasted, Ended, End))},
		{"a predecessor with connections", First(), then(handedOver,
			on(SuccessorLasted, Draining),
			on(DrainedOut, Ended, End))},
		{"a predecessor whose connections stay", First(), then(handedOver,
			on(DrainTimedOut, Ended, Cut, End))},
		{"a predecessor that need not take back", First(), then(handedOver,
			on(DrainedOut, Draining),
			on(SuccessorSuperseded, Ended, End))},
		{"a successor", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(TakeoverBegun, Entering),
			on(TakenOver, Serving, OpenGates),
			on(Confirmed, Serving),
			on(PredecessorGone, Serving, Settle),
			reload,
		}},
		{"a successor without confirmation", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(TakeoverBegun, Entering),
			on(TakenOver, Serving, OpenGates),
			on(PredecessorGone, Serving, NameSelf, SayReady, Settle, Conclude),
		}},
		{"a successor that is asked to reload before it knows that it is main", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(TakeoverBegun, Entering),
			on(ReloadAsked, Entering),
			on(TakenOver, Preparing, OpenGates, Spawn, SayReloading),
		}},
		{"a successor that is asked to reload before it knows that it is proven", Successor(), then(onTrial,
			on(ReloadAsked, Probation, SayReloading),
			on(ProbationPassed, Probation, TellProven),
			on(ReloadAsked, Probation),
			on(Released, Preparing, SayReady, Spawn, SayReloading))},
		{"a reload asked for between READY=1 and MAINPID=", First(), []scene{
			initialised, serving, reload,
			on(SuccessorReady, Storing, CloseGates, Store),
			on(Stored, TakingOver, TellSuperseded, AnnounceTakeover, NameSuccessor),
			on(ReloadAsked, TakingOver, PassOn),
			on(Named, Draining, Succeed, Drain),
			on(ReloadAsked, Draining, PassOn),
			{Event{Kind: ReloadAsked, Foreign: true}, Draining, nil},
			on(SuccessorSuperseded, Draining),
			on(ReloadAsked, Draining),
		}},
		{"a crash", First(), []scene{
			initialised, serving, reload,
			failing(SuccessorDied, Serving, Blame, Fail),
			reload,
		}},
		{"no start", First(), []scene{
			initialised, serving, reload,
			failing(SpawnFailed, Serving, Blame, Fail),
		}},
		{"a hang", First(), []scene{
			initialised, serving, reload,
			failing(SuccessorLate, Reverting, Blame, Kill),
			on(SuccessorReady, Reverting),
			failing(SuccessorDied, Serving, Blame, Fail),
		}},
		{"a refusal", First(), []scene{
			initialised, serving, reload,
			failing(SuccessorRefused, Reverting, Blame, Kill),
			failing(SuccessorDied, Serving, Blame, Fail),
		}},
		{"nonsense", First(), []scene{
			initialised, serving, reload,
			failing(SuccessorGarbled, Reverting, Blame, Kill),
			failing(SuccessorDied, Serving, Blame, Fail),
		}},
		{"a second reload under way", First(), []scene{
			initialised, serving, reload,
			on(ReloadAsked, Preparing, SayReloading),
			on(SuccessorReady, Storing, CloseGates, Store),
			on(ReloadAsked, Storing, SayReloading),
		}},
		{"a store that fails", First(), []scene{
			initialised, serving, reload,
			on(SuccessorReady, Storing, CloseGates, Store),
			failing(StoreFailed, TakingBack, Blame, Kill),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack,
		}},
		{"a death while storing", First(), []scene{
			initialised, serving, reload,
			on(SuccessorReady, Storing, CloseGates, Store),
			failing(SuccessorDied, Storing, Blame),
			on(Stored, Resuming, TellResumed, Adopt), takenBack,
		}},
		{"systemd does not answer", First(), then(takeover,
			failing(NamingFailed, TakingBack, Blame, Kill),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack)},
		{"a death in the takeover", First(), then(takeover,
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack,
			on(Named, Serving))},
		{"a death while the predecessor drains", First(), then(handedOver,
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Resume, Adopt), resumed,
			reload)},
		{"a death after a further handover", First(), then(handedOver,
			on(SuccessorSuperseded, Draining),
			failing(SuccessorDied, Draining),
			on(DrainedOut, Ended, End))},
		{"a further handover that came to nothing", First(), then(handedOver,
			on(SuccessorSuperseded, Draining),
			on(SuccessorResumed, Draining),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Resume, Adopt), resumed)},
		{"a stop while serving", First(), []scene{
			initialised, serving,
			on(StopAsked, Stopping, SayStopping, TellStopping, CloseGates, Store, Drain),
			on(ReloadAsked, Stopping),
			on(DrainedOut, Ended, End),
		}},
		{"a stop with a successor initialising", First(), []scene{
			initialised, serving, reload,
			on(StopAsked, Stopping, Kill, SayStopping, TellStopping, CloseGates, Store, Drain),
			failing(SuccessorDied, Stopping),
			on(DrainedOut, Ended, End),
		}},
		{"a stop in the takeover", First(), then(takeover,
			on(StopAsked, Stopping, TellStopping, Drain),
			on(Named, Stopping),
			on(DrainedOut, Ended, End))},
		{"a stop while draining", First(), then(handedOver,
			on(StopAsked, Stopping, Hurry),
			failing(SuccessorDied, Stopping),
			on(DrainTimedOut, Ended, Cut, End))},
		{"a stop of the successor while nothing is left to drain", First(), then(handedOver,
			on(DrainedOut, Draining),
			on(SuccessorStopping, Draining),
			failing(SuccessorDied, Ended, End))},
		{"a stop of the unit while nothing is left to drain", First(), then(handedOver,
			on(DrainedOut, Draining),
			on(SuccessorStopping, Draining),
			on(StopAsked, Ended, End))},
		{"a stop of the successor while draining", First(), then(handedOver,
			on(SuccessorStopping, Draining),
			failing(SuccessorDied, Draining),
			on(DrainedOut, Ended, End))},
		{"a predecessor gone too early", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(PredecessorGone, Ended, End),
		}},
		{"a predecessor gone in the takeover", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(TakeoverBegun, Entering),
			on(PredecessorGone, Serving, NameSelf, OpenGates, SayReady, Settle, Conclude),
		}},
		{"an application that refuses", Successor(), []scene{
			failing(GaveUp, Ended, TellRefused, Cut, End),
		}},
		{"a server that fails", First(), []scene{
			initialised, serving,
			failing(GaveUp, Ended, CloseGates, Cut, End),
		}},
		{"a server that fails while the service stops", First(), []scene{
			initialised, serving,
			on(StopAsked, Stopping, SayStopping, TellStopping, CloseGates, Store, Drain),
			failing(GaveUp, Stopping, Remember),
			on(DrainedOut, Ended, End),
		}},
		{"a main process that refuses while its predecessor drains", First(), then(handedOver,
			on(DrainedOut, Draining),
			failing(SuccessorRefused, Draining, Blame, Kill),
			on(SuccessorLasted, Draining),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Resume, Adopt), resumed)},
		{"a successor that refuses in its probation", First(), then(proving,
			failing(SuccessorRefused, TakingBack, Blame, Kill),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack)},
		{"a successor that cannot park in its probation", Successor(), then(onTrial,
			failing(ProbationFailed, HandingBack, Blame, CloseGates, Store),
			failing(StoreFailed, Ended, TellRefused, Cut, End))},
		{"a successor that cannot be greeted", First(), []scene{
			initialised, serving, reload,
			failing(SuccessorUnreachable, Reverting, Blame, Kill),
			failing(SuccessorDied, Serving, Blame, Fail),
		}},
		{"a reload signal of somebody else's before the takeover", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(ReloadAsked, Ready),
			{Event{Kind: TakeoverBegun, Foreign: true}, Entering, nil},
			on(TakenOver, Serving, OpenGates),
		}},
		{"a reload while this process takes back", First(), then(offered,
			failing(SuccessorDied, Resuming, Blame, TellResumed, Adopt),
			on(ReloadAsked, Resuming, SayReloading), takenBack)},
		{"a reload while this process takes back after its upgrade", First(), then(handedOver,
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Resume, Adopt),
			on(ReloadAsked, Resuming),
			on(Adopted, Preparing, OpenGates, SayReady, Settle, Spawn, SayReloading))},
		{"a stop while this process takes back", First(), then(offered,
			failing(SuccessorDied, Resuming, Blame, TellResumed, Adopt),
			on(StopAsked, Stopping, SayStopping, TellStopping, CloseGates, Store, Drain),
			on(Adopted, Stopping),
			on(DrainedOut, Ended, End))},
		{"a successor that adopts", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(StateOffered, Ready, Adopt),
			on(Adopted, Ready, TellAdopted),
			on(TakeoverBegun, Entering),
			on(TakenOver, Serving, OpenGates),
		}},
		{"a successor that cannot adopt", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(StateOffered, Ready, Adopt),
			failing(GaveUp, Ended, TellRefused, Cut, End),
		}},
		{"adopted", First(), then(offered,
			on(SuccessorAdopted, TakingOver, AnnounceTakeover, NameSuccessor))},
		{"adopting takes too long", First(), then(offered,
			failing(SuccessorLate, TakingBack, Blame, Kill),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack)},
		{"a death while adopting", First(), then(offered,
			failing(SuccessorDied, Resuming, Blame, TellResumed, Adopt), takenBack)},
		{"proven before it is confirmed", First(), []scene{
			initialised, serving, reload,
			onProbation(SuccessorReady, Storing, CloseGates, Store),
			on(Stored, TakingOver, TellSuperseded, AnnounceTakeover, NameSuccessor),
			on(SuccessorProven, TakingOver),
			on(Named, TakingOver, Release),
			on(Named, Draining, Succeed, Drain),
		}},
		{"a stop while adopting", First(), then(offered,
			on(StopAsked, Stopping, Kill, SayStopping, TellStopping, CloseGates, Store, Drain))},
		{"probation passed", Successor(), then(onTrial,
			on(ProbationPassed, Probation, TellProven),
			on(Released, Serving, SayReady))},
		{"probation failed", Successor(), then(onTrial,
			failing(ProbationFailed, HandingBack, Blame, CloseGates, Store),
			on(Stored, Draining, TellUnhealthy, Drain),
			on(DrainedOut, Ended, End))},
		{"probation failed and no predecessor to take back", Successor(), then(onTrial,
			failing(ProbationFailed, HandingBack, Blame, CloseGates, Store),
			on(PredecessorGone, HandingBack, NameSelf, Settle),
			on(Stored, Resuming, Adopt),
			on(Adopted, Serving, OpenGates, SayReady, Settle, Conclude))},
		{"probation without a predecessor", Successor(), then(onTrial,
			on(PredecessorGone, Probation, NameSelf, Settle),
			on(ProbationPassed, Serving, SayReady, Conclude))},
		{"a successor that upgrades before it is told that it is main", Successor(), []scene{
			on(Initialised, Ready, TellReady),
			on(TakeoverBegun, Entering),
			on(TakenOver, Serving, OpenGates),
			on(ReloadAsked, Preparing, Spawn, SayReloading),
			on(PredecessorGone, Preparing, NameSelf, Settle, Conclude),
			failing(SpawnFailed, Serving, Blame, Fail),
		}},
		{"a successor that a SIGHUP to the whole unit has killed", First(), []scene{
			initialised, serving, reload,
			on(SuccessorStrayed, Preparing, Spawn),
			on(StopAsked, Stopping, Kill, SayStopping, TellStopping, CloseGates, Store, Drain),
			failing(SuccessorStrayed, Stopping),
		}},
		{"a successor proven", First(), then(proving,
			on(SuccessorProven, TakingOver, Release),
			on(Named, Draining, Succeed, Drain))},
		{"a successor unwell", First(), then(proving,
			failing(SuccessorUnhealthy, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack)},
		{"a successor not heard of", First(), then(proving,
			failing(SuccessorLate, TakingBack, Blame, Kill),
			failing(SuccessorDied, Resuming, Blame, NameSelf, TellResumed, Adopt), takenBack)},
		{"a stop of the successor in its probation", First(), then(proving,
			on(SuccessorStopping, Proving),
			failing(SuccessorDied, Stopping, Drain))},
	} {
		t.Run(c.name, func(t *testing.T) { tell(t, c.start, c.scenes) })
	}
}

func tell(t *testing.T, s State, scenes []scene) {
	for _, c := range scenes {
		before := s.Phase
		next, actions := Step(s, c.event)
		s = next
		var verbs []Verb
		for _, a := range actions {
			verbs = append(verbs, a.Verb)
			// A reason that comes in goes out with the action that gives it.
			switch a.Verb {
			case Blame, Remember, TellRefused:
				if !errors.Is(a.Err, c.event.Err) || a.Err == nil {
					t.Errorf("%v: %v: %v because of %v, want %v", before, c.event.Kind, a.Verb, a.Err, c.event.Err)
				}
			}
		}
		if s.Phase != c.phase || !slices.Equal(verbs, c.verbs) {
			t.Fatalf("%v: %v → %v %v, want %v %v", before, c.event.Kind, s.Phase, verbs, c.phase, c.verbs)
		}
	}
}

// With probation READY=1 is left for the successor to say.
func TestNameSuccessorSaysWhetherReadyWaits(t *testing.T) {
	for _, probation := range []bool{false, true} {
		s := State{Phase: Storing, Probation: probation}
		_, actions := Step(s, Event{Kind: Stored})
		last := actions[len(actions)-1]
		if want := (Action{Verb: NameSuccessor, Probation: probation}); last != want {
			t.Errorf("%+v, want %+v", last, want)
		}
	}
}

// Every event may come in every phase: messages, deaths and timers cross.
func TestEveryKindInEveryPhase(t *testing.T) {
	flags := []func(*State){
		func(s *State) { s.Predecessor = true },
		func(s *State) { s.Superseded = true },
		func(s *State) { s.SuccessorStopping = true },
		func(s *State) { s.Probation = true },
		func(s *State) { s.Failed = true },
		func(s *State) { s.SuccessorDead = true },
		func(s *State) { s.Trying = true },
		func(s *State) { s.Drained = true },
		func(s *State) { s.Lasted = true },
		func(s *State) { s.Passed = true },
		func(s *State) { s.ReloadPending = true },
	}
	for _, phase := range Phases() {
		for set := range 1 << len(flags) {
			s := State{Phase: phase}
			for i, f := range flags {
				if set&(1<<i) != 0 {
					f(&s)
				}
			}
			for _, kind := range Kinds() {
				for _, flag := range []bool{false, true} {
					next, actions := Step(s, Event{Kind: kind, Probation: flag, Offer: flag, Foreign: flag, Err: errWhy})
					if phase == Ended && (next.Phase != Ended || len(actions) > 0) {
						t.Errorf("%v after the end → %v %v", kind, next.Phase, actions)
					}
					if ends := slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == End }); ends != (next.Phase == Ended && phase != Ended) {
						t.Errorf("%+v: %v → %v, End among %v: %v", s, kind, next.Phase, actions, ends)
					}
					// A gate that is open in one phase and closed in the next is closed by an action.
					if phase.Accepts() && !next.Phase.Accepts() && next.Phase != Ended &&
						!slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == CloseGates }) {
						t.Errorf("%+v: %v → %v without closing the gates", s, kind, next.Phase)
					}
					if !phase.Accepts() && next.Phase.Accepts() &&
						!slices.ContainsFunc(actions, func(a Action) bool { return a.Verb == OpenGates }) {
						t.Errorf("%+v: %v → %v without opening the gates", s, kind, next.Phase)
					}
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	check := func(name string) {
		t.Helper()
		if name == "" || name == "unknown" || seen[name] {
			t.Errorf("%q is no name of its own", name)
		}
		seen[name] = true
	}
	for _, p := range Phases() {
		check("phase " + p.String())
		if p.String() == "unknown" {
			t.Errorf("phase %d has no name", p)
		}
	}
	for _, k := range Kinds() {
		check("kind " + k.String())
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for v := OpenGates; v <= End; v++ {
		check("verb " + v.String())
		if v.String() == "" || v.String() == "unknown" {
			t.Errorf("verb %d has no name", v)
		}
	}
	if last := len(phaseNames) - 1; Phase(last) != Ended {
		t.Errorf("the last phase is %v", Phase(last))
	}
	if last := len(kindNames) - 1; Kind(last) != ProbationFailed {
		t.Errorf("the last kind is %v", Kind(last))
	}
	if last := len(verbNames) - 1; Verb(last) != End {
		t.Errorf("the last verb is %v", Verb(last))
	}
	for _, unknown := range []fmt.Stringer{Phase(99), Kind(99), Verb(99)} {
		if unknown.String() != "unknown" {
			t.Errorf("%T(99) is %q", unknown, unknown)
		}
	}
}
