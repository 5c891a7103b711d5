package generation

// How a generation comes to be the one that serves.

func initialising(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Initialised:
		if s.Predecessor {
			return s.to(Ready), do(TellReady)
		}
		return s, do(Adopt)
	case Adopted:
		return s.to(Serving), do(OpenGates, SayReady)
	case StopAsked:
		return s.end(nil)
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
		if e.Foreign {
			s.ReloadPending = false
		}
		return s.to(Entering), nil
	case ReloadAsked:
		s.ReloadPending = true
		return s, nil
	case TakenOver:
		if e.Probation {
			return s.to(Probation), do(OpenGates, BeginProbation)
		}
		return s.serve(do(OpenGates)...)
	case StopAsked:
		return s.end(nil)
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
	case ReloadAsked:
		if s.Passed {
			// The predecessor may just have ended the reload, and this is the next.
			s.ReloadPending = true
			return s, nil
		}
		return s, do(SayReloading)
	case Released:
		return s.serve(do(SayReady)...)
	case ProbationFailed:
		if !s.Predecessor {
			// No predecessor is left to take back: an unwell service beats none.
			return s.serve(do(SayReady)...)
		}
		return s.to(HandingBack), []Action{because(Blame, e.Err), {Verb: CloseGates}, {Verb: Store}}
	case StopAsked:
		return s.stop()
	}
	return s, nil
}

// handingBack waits for the store, which the predecessor takes back.
func handingBack(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Stored, StoreFailed:
		switch {
		case !s.Predecessor:
			// It has gone meanwhile: an unwell service beats none.
			return s.to(Resuming), do(Adopt)
		case e.Kind == StoreFailed:
			// It may still change the store, so the predecessor has to see it gone.
			return giveUp(s, e)
		}
		s.Lasted = true    // this process has no successor to take back from
		s.Unjudged = false // the verdict is the predecessor's
		return s.to(Draining), do(TellUnhealthy, Drain)
	case ReloadAsked:
		return s, do(SayReloading)
	case StopAsked:
		return s.stop()
	}
	return s, nil
}

// predecessorGone handles the end of the predecessor in each phase.
func predecessorGone(s State) (State, []Action) {
	s.Predecessor = false
	var first []Action
	// Its last message, that this process is main, may have died with it.
	unheard := !s.Confirmed
	s.Confirmed = true
	if unheard && s.Phase.SoleMain() {
		first = do(NameSelf)
	}
	switch s.Phase {
	case Initialising, Ready:
		return s.end(ErrPredecessorGone)
	case Entering:
		// It may have died before it named this process main or after. If after,
		// the service goes on here; if before, systemd doesn't listen to this
		// process and stops it together with the rest of the unit.
		return s.serve(do(NameSelf, OpenGates, SayReady, Settle)...)
	case Probation:
		if s.Passed {
			return s.serve(append(first, do(SayReady, Settle)...)...)
		}
		return s, append(first, do(Settle)...)
	case Serving:
		if unheard {
			first = append(first, do(SayReady)...)
		}
		return s.judge(append(first, do(Settle)...))
	case HandingBack:
		return s, append(first, do(Settle)...)
	case Preparing, Reverting:
		return s.judge(append(first, do(Settle)...))
	case Stopping, Ended:
		return s, first
	}
	// Elsewhere a successor is about to be main, or is, and settles that.
	return s.judge(first)
}
