package generation

// How the main process is followed by a successor, and how it goes on if that fails.

func serving(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ReloadAsked:
		// systemd has work to do when it hears of it; the successor's start goes first.
		return s.begin(), do(Spawn, SayReloading)
	case StopAsked:
		return s.stop()
	}
	return s, nil
}

// begin is to for the start of an upgrade: it forgets the facts about an earlier
// successor.
func (s State) begin() State {
	s.Superseded, s.SuccessorStopping = false, false
	s.Failed, s.SuccessorDead, s.Proven = false, false, false
	s.Drained, s.Lasted = false, false
	s.Trying = true
	return s.to(Preparing)
}

// conclude is the end of an upgrade: its verdict is given.
func (s State) conclude(p Phase) State {
	s.Trying = false
	return s.to(p)
}

// preparing: this process accepts, and anything that goes wrong leaves it as
// it was.
func preparing(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorReady:
		s.Probation = e.Probation
		return s.to(Storing), do(CloseGates, Store)
	case SuccessorLate, SuccessorRefused, SuccessorGarbled, SuccessorUnreachable:
		return s.to(Reverting), []Action{because(Blame, e.Err), {Verb: Kill, LastWords: e.Kind == SuccessorRefused}}
	case SuccessorStrayed:
		return s, []Action{{Verb: Spawn, Again: true}}
	case SpawnFailed, SuccessorDied:
		return s.conclude(Serving), []Action{because(Blame, e.Err), {Verb: Fail}}
	case ReloadAsked:
		return s, do(SayReloading)
	case StopAsked:
		return s.stop(Kill)
	}
	return s, nil
}

// storing waits for the end of its Store, whatever happens meanwhile: only then can
// it be undone.
func storing(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Stored:
		switch {
		case s.SuccessorDead:
			return s.revert()
		case s.Failed:
			return s.to(TakingBack), nil
		case e.Offer:
			// From here on there is another process that changes the store.
			return s.to(Offering), do(TellSuperseded, Offer)
		}
		return s.takeover(TellSuperseded)
	case StoreFailed:
		if s.SuccessorDead {
			return s.revert(because(Blame, e.Err))
		}
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		s.Failed, s.SuccessorDead = true, true
		return s, []Action{because(Blame, e.Err)}
	case SuccessorRefused, SuccessorGarbled, SuccessorUnreachable:
		s.Failed = true
		return s, []Action{because(Blame, e.Err), {Verb: Kill}}
	case ReloadAsked:
		return s, do(SayReloading)
	case StopAsked:
		return s.stop(Kill)
	}
	return s, nil
}

func offering(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorAdopted:
		return s.takeover()
	case SuccessorLate, SuccessorRefused, SuccessorGarbled, SuccessorUnreachable:
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		return s.revert(because(Blame, e.Err))
	case ReloadAsked:
		return s, do(SayReloading)
	case StopAsked:
		return s.stop(Kill)
	}
	return s, nil
}

// takeover names the successor main.
func (s State) takeover(first ...Verb) (State, []Action) {
	return s.to(TakingOver), append(do(first...), Action{Verb: AnnounceTakeover}, Action{Verb: NameSuccessor, Probation: s.Probation})
}

// passOn is for a reload that systemd has asked of this process between READY=1 and
// MAINPID=.
func (s State) passOn(e Event) (State, []Action) {
	if e.Foreign || s.Superseded {
		return s, nil
	}
	return s, do(PassOn)
}

// release ends the successor's probation.
func (s State) release() (State, []Action) {
	s.Probation, s.Proven = false, false
	s.Lasted = true
	return s.to(TakingOver), do(Release)
}

// revert is the way back to Serving for a process that had stopped accepting and
// whose successor has gone, or has let go of the store.
func (s State) revert(first ...Action) (State, []Action) {
	actions := first
	if s.Phase != Storing && s.Phase != Offering {
		actions = append(actions, Action{Verb: NameSelf}) // the successor was, or may be, main
	}
	return s.to(Resuming), append(actions, do(TellResumed, Adopt)...)
}

// resuming waits for the application.
func resuming(s State, e Event) (State, []Action) {
	switch e.Kind {
	case Adopted:
		actions := do(OpenGates, SayReady)
		if s.Trying {
			actions = do(OpenGates, Fail)
		}
		if !s.Predecessor {
			actions = append(actions, Action{Verb: Settle})
		}
		return s.conclude(Serving).serve(actions...)
	case ReloadAsked:
		if s.Trying {
			return s, do(SayReloading)
		}
		s.ReloadPending = true
		return s, nil
	case StopAsked:
		return s.stop()
	}
	return s, nil
}

func takingOver(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ReloadAsked:
		e.Foreign = false // systemd may not have read MAINPID= yet
		return s.passOn(e)
	case Named:
		switch {
		case s.Proven:
			return s.release()
		case s.Probation:
			return s.to(Proving), nil
		}
		return s.conclude(Draining), do(Succeed, Drain)
	case SuccessorProven:
		s.Proven = true
		return s, nil
	case SuccessorUnhealthy:
		return s.revert(because(Blame, e.Err))
	case NamingFailed, SuccessorRefused, SuccessorGarbled, SuccessorUnreachable, SuccessorLate:
		if s.Superseded || s.SuccessorStopping {
			return s, nil // the one after it is main, or no process is
		}
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorDied:
		switch {
		case s.Superseded:
			// It was main for long enough to hand over in turn.
			return s, nil
		case s.SuccessorStopping:
			return s.leave()
		}
		return s.revert(because(Blame, e.Err))
	case StopAsked:
		// Which of the two is main is not settled; both are told to stop.
		return s.leave(TellStopping)
	}
	return s, nil
}

func proving(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorProven:
		return s.release()
	case SuccessorUnhealthy:
		// It has parked its state, and finishes the connections that it has
		// accepted.
		return s.revert(because(Blame, e.Err))
	case SuccessorRefused, SuccessorGarbled, SuccessorUnreachable, SuccessorLate:
		return s.to(TakingBack), []Action{because(Blame, e.Err), {Verb: Kill}}
	case ReloadAsked:
		return s.passOn(e)
	case SuccessorDied:
		if s.SuccessorStopping {
			return s.leave()
		}
		return s.revert(because(Blame, e.Err))
	case StopAsked:
		return s.leave(TellStopping)
	}
	return s, nil
}

// reverting waits for the death of a successor that was killed, so that there
// are never two.
func reverting(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorDied:
		return s.conclude(Serving), []Action{because(Blame, e.Err), {Verb: Fail}}
	case ReloadAsked:
		return s, do(SayReloading)
	case StopAsked:
		return s.stop()
	}
	return s, nil
}

// takingBack waits for the death of a successor that was killed and that may
// accept until then.
func takingBack(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorDied:
		return s.revert(because(Blame, e.Err))
	case StopAsked:
		return s.leave(TellStopping)
	}
	return s, nil
}
