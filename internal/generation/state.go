package generation

import "errors"

// State is all the machine knows. It is comparable, so that a test can
// remember which ones it has seen.
type State struct {
	Phase Phase
	// Predecessor: a predecessor's process lives.
	Predecessor bool
	// Superseded: the successor is handing over, or has handed over, to one of
	// its own, so its end is not this process's business.
	Superseded bool
	// SuccessorStopping: the successor was told to stop, and so will this
	// process be.
	SuccessorStopping bool
	// Probation: the successor under way proves itself before READY=1.
	Probation bool
	// Failed: the successor under way has failed while something else had to be
	// finished first.
	Failed bool
	// SuccessorDead: and its process has gone.
	SuccessorDead bool
	// Passed: this process has passed its probation and waits for its
	// predecessor to agree.
	Passed bool
	// ReloadPending: the reload signal came before this process could act on
	// it. systemd may send it as soon as it has read MAINPID= and READY=1, which
	// is before this process has been told that it is main.
	ReloadPending bool
}

// First is how a process starts that systemd has started.
func First() State { return State{Phase: Initialising} }

// Successor is how a process starts that a predecessor has started.
func Successor() State { return State{Phase: Initialising, Predecessor: true} }

// ErrPredecessorGone ends a successor whose predecessor went before the
// takeover: nothing has changed, and systemd starts the service anew.
var ErrPredecessorGone = errors.New("the predecessor has gone before the takeover")

// Step says what follows when e happens in s. An event that means nothing in a
// phase changes nothing: messages, deaths and timers cross each other.
func Step(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorSuperseded:
		s.Superseded = true
		return s, nil
	case SuccessorResumed:
		s.Superseded = false
		return s, nil
	case SuccessorStopping:
		s.SuccessorStopping = true
		return s, nil
	}
	switch s.Phase {
	case Initialising:
		return initialising(s, e)
	case Ready, Entering:
		return waiting(s, e)
	case Probation:
		return probation(s, e)
	case HandingBack:
		return handingBack(s, e)
	case Serving:
		return serving(s, e)
	case Preparing:
		return preparing(s, e)
	case Storing:
		return storing(s, e)
	case Offering:
		return offering(s, e)
	case TakingOver:
		return takingOver(s, e)
	case Proving:
		return proving(s, e)
	case Reverting:
		return reverting(s, e)
	case TakingBack:
		return takingBack(s, e)
	case Draining:
		return draining(s, e)
	case Stopping:
		return stopping(s, e)
	}
	return s, nil
}

func do(verbs ...Verb) []Action {
	actions := make([]Action, len(verbs))
	for i, v := range verbs {
		actions[i].Verb = v
	}
	return actions
}

func because(v Verb, err error) Action { return Action{Verb: v, Err: err} }

func (s State) to(p Phase) State {
	s.Phase = p
	return s
}

// begin is to for the start of an upgrade: what was known of an earlier
// successor is not true of the next one.
func (s State) begin() State {
	s.Superseded, s.SuccessorStopping = false, false
	s.Failed, s.SuccessorDead = false, false
	return s.to(Preparing)
}

// serve is the way into Serving: a reload asked for too early is done now.
func (s State) serve(actions ...Action) (State, []Action) {
	s = s.to(Serving)
	if !s.ReloadPending {
		return s, actions
	}
	s.ReloadPending = false
	s, more := serving(s, Event{Kind: ReloadAsked})
	return s, append(actions, more...)
}

// end leaves nothing behind.
func (s State) end(err error, before ...Action) (State, []Action) {
	return s.to(Ended), append(before, Action{Verb: End, Err: err})
}

func initialising(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Initialised:
		if s.Predecessor {
			return s.to(Ready), do(TellReady)
		}
		return s, do(Adopt)
	case Adopted:
		return s.to(Serving), do(OpenGates, SayReady)
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.end(nil)
	case PredecessorGone:
		return s.end(ErrPredecessorGone)
	}
	return s, nil
}

// waiting holds Ready and Entering.
func waiting(s State, e Event) (State, []Action) {
	switch e.Kind {
	case StateOffered:
		return s, do(Adopt)
	case Adopted:
		return s, do(TellAdopted)
	case TakeoverBegun:
		return s.to(Entering), nil
	case ReloadAsked:
		s.ReloadPending = true
		return s, nil
	case TakenOver:
		if e.Probation {
			return s.to(Probation), do(OpenGates, BeginProbation)
		}
		return s.serve(do(OpenGates)...)
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.end(nil)
	case PredecessorGone:
		if s.Phase == Ready {
			return s.end(ErrPredecessorGone)
		}
		// It may have died before it named this process main or after. If after,
		// the service goes on here; if before, systemd doesn't listen to this
		// process and stops it together with the rest of the unit.
		s.Predecessor = false
		return s.serve(do(NameSelf, OpenGates, SayReady, Settle)...)
	}
	return s, nil
}

func probation(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ProbationPassed:
		if !s.Predecessor {
			return s.serve(do(SayReady)...)
		}
		// The predecessor decides: it may just have lost patience.
		s.Passed = true
		return s, do(TellProven)
	case Released:
		return s.serve(do(SayReady)...)
	case ProbationFailed:
		if !s.Predecessor {
			// Nobody is left to take back: an unwell service beats none.
			return s.serve(do(SayReady)...)
		}
		return s.to(HandingBack), []Action{because(Blame, e.Err), {Verb: CloseGates}, {Verb: Store}}
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.stop()
	case PredecessorGone:
		s.Predecessor = false
		if s.Passed {
			return s.serve(do(SayReady, Settle)...)
		}
		return s, do(Settle)
	}
	return s, nil
}

// handingBack waits for the store: the predecessor takes back what is in it.
func handingBack(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Stored, StoreFailed:
		if !s.Predecessor {
			// It has gone meanwhile: an unwell service beats none.
			return s.serve(do(Adopt, OpenGates, SayReady)...)
		}
		return s.to(Draining), do(TellUnhealthy, Drain)
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.stop()
	case PredecessorGone:
		s.Predecessor = false
		return s, do(Settle)
	}
	return s, nil
}

func serving(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ReloadAsked:
		return s.begin(), do(SayReloading, Spawn)
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.stop()
	case PredecessorGone:
		s.Predecessor = false
		return s, do(Settle)
	}
	return s, nil
}

// preparing: this process accepts, and anything that goes wrong leaves it as
// it was.
func preparing(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorReady:
		s.Probation = e.Probation
		return s.to(Storing), do(CloseGates, Store)
	case SuccessorLate, SuccessorRefused, SuccessorGarbled:
		return s.to(Reverting), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SpawnFailed, SuccessorDied:
		return s.to(Serving), []Action{because(Blame, e.Err), {Verb: Fail}}
	case GaveUp:
		return s.giveUp(e.Err, Kill)
	case StopAsked:
		return s.stop(Kill)
	case PredecessorGone:
		s.Predecessor = false
		return s, do(Settle)
	}
	return s, nil
}

// storing waits for what it has begun, whatever happens meanwhile: only then
// can it be undone.
func storing(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Stored:
		switch {
		case s.SuccessorDead:
			return s.revert()
		case s.Failed:
			return s.to(TakingBack), nil
		case e.Offer:
			return s.to(Offering), do(Offer)
		}
		return s.takeover()
	case StoreFailed:
		if s.SuccessorDead {
			return s.revert(because(Blame, e.Err))
		}
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		s.Failed, s.SuccessorDead = true, true
		return s, []Action{because(Blame, e.Err)}
	case SuccessorRefused, SuccessorGarbled:
		s.Failed = true
		return s, []Action{because(Blame, e.Err), {Verb: Kill}}
	case GaveUp:
		return s.giveUp(e.Err, Kill)
	case StopAsked:
		return s.stop(Kill)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

func offering(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorAdopted:
		return s.takeover()
	case SuccessorLate, SuccessorRefused, SuccessorGarbled:
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		return s.revert(because(Blame, e.Err))
	case GaveUp:
		return s.giveUp(e.Err, Kill)
	case StopAsked:
		return s.stop(Kill)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

// takeover names the successor main.
func (s State) takeover() (State, []Action) {
	return s.to(TakingOver), []Action{{Verb: AnnounceTakeover}, {Verb: NameSuccessor, Probation: s.Probation}}
}

// revert is the way back to Serving for a process that had stopped to accept
// and whose successor has gone.
func (s State) revert(first ...Action) (State, []Action) {
	return s.to(Serving), append(first, do(NameSelf, Adopt, OpenGates, Fail)...)
}

func takingOver(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Named:
		if s.Probation {
			return s.to(Proving), do(ConfirmTakeover)
		}
		return s.to(Draining), do(ConfirmTakeover, Succeed, Drain)
	case NamingFailed, SuccessorRefused, SuccessorGarbled:
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		return s.revert(because(Blame, e.Err))
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		// Which of the two is main is not settled; both are told to stop.
		return s.to(Stopping), do(TellStopping, Drain)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

func proving(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorProven:
		return s.to(Draining), do(Release, Succeed, Drain)
	case SuccessorUnhealthy, SuccessorRefused:
		return s.revert(because(Blame, e.Err))
	case SuccessorGarbled, SuccessorLate:
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		if s.SuccessorStopping {
			return s.to(Stopping), do(Drain)
		}
		return s.revert(because(Blame, e.Err))
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.to(Stopping), do(TellStopping, Drain)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

// reverting waits for the death of a successor that was killed, so that there
// are never two.
func reverting(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorDied:
		return s.to(Serving), do(Fail)
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.stop()
	case PredecessorGone:
		s.Predecessor = false
		return s, do(Settle)
	}
	return s, nil
}

// takingBack waits for the death of a successor that was killed and that may
// accept until then.
func takingBack(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorDied:
		return s.revert()
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.to(Stopping), do(TellStopping, Drain)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

func draining(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorDied:
		if s.Superseded || s.SuccessorStopping {
			return s, nil
		}
		return s.to(Serving), []Action{because(Blame, e.Err), {Verb: NameSelf}, {Verb: Adopt}, {Verb: Resume}, {Verb: OpenGates}, {Verb: SayReady}}
	case DrainedOut:
		return s.end(nil)
	case DrainTimedOut:
		return s.end(nil, Action{Verb: Cut})
	case GaveUp:
		return s.giveUp(e.Err)
	case StopAsked:
		return s.to(Stopping), nil
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

func stopping(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Named:
		return s, do(ConfirmTakeover)
	case DrainedOut:
		return s.end(nil)
	case DrainTimedOut:
		return s.end(nil, Action{Verb: Cut})
	case GaveUp:
		return s.giveUp(e.Err)
	case PredecessorGone:
		s.Predecessor = false
	}
	return s, nil
}

// stop is the way out of every phase in which this process is main.
func (s State) stop(first ...Verb) (State, []Action) {
	return s.to(Stopping), append(do(first...), do(SayStopping, TellStopping, CloseGates, Store, Drain)...)
}

// giveUp is the way out when the application cannot go on. Whoever can take
// over, a predecessor that drains or systemd, sees this process go.
func (s State) giveUp(err error, first ...Verb) (State, []Action) {
	actions := do(first...)
	if s.Predecessor && (s.Phase == Initialising || s.Phase == Ready || s.Phase == Entering) {
		actions = append(actions, because(TellRefused, err))
	}
	return s.end(err, append(actions, Action{Verb: Cut})...)
}
