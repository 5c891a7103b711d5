package generation

// How a generation comes to its end.

func draining(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ReloadAsked:
		return s.passOn(e)
	case SuccessorDied:
		if s.Superseded || s.SuccessorStopping {
			s.Lasted = true // no successor to take back from
			return s.endIfDispensable()
		}
		s.Failed, s.Drained, s.Lasted = false, false, false
		return s.to(Resuming), []Action{because(Blame, e.Err), {Verb: NameSelf}, {Verb: TellResumed}, {Verb: Resume}, {Verb: Adopt}}
	case SuccessorRefused:
		if s.Superseded || s.SuccessorStopping {
			return s, nil
		}
		// It accepts no more, so this process waits for its end, whatever it does.
		s.Failed = true
		return s, []Action{because(Blame, e.Err), {Verb: Kill}}
	case SuccessorLasted:
		s.Lasted = true
		return s.endIfDispensable()
	case DrainedOut:
		s.Drained = true
		return s.endIfDispensable()
	case DrainTimedOut:
		s.Drained, s.Lasted = true, true
		return s.endIfDispensable(Action{Verb: Cut})
	case StopAsked:
		if s.Drained {
			return s.end(nil)
		}
		return s.to(Stopping), do(Hurry)
	}
	return s, nil
}

// endIfDispensable ends a process that drains once nothing is in flight and it need
// not take back any more.
func (s State) endIfDispensable(first ...Action) (State, []Action) {
	if s.Phase == Draining && s.Drained && !s.Failed && (s.Lasted || s.Superseded) {
		return s.end(nil, first...)
	}
	return s, first
}

func stopping(s State, e Event) (State, []Action) {
	switch e.Kind {
	case DrainedOut:
		return s.end(nil)
	case DrainTimedOut:
		return s.end(nil, Action{Verb: Cut})
	}
	return s, nil
}

// stop is the way out of every phase in which this process is main.
func (s State) stop(first ...Verb) (State, []Action) {
	first = append(first, SayStopping, TellStopping, CloseGates)
	return s.to(Stopping), append(do(first...), Action{Verb: Store, Stopping: true}, Action{Verb: Drain, Stopping: true})
}

// leave is stop for a process that has parked its state and may not be main any more.
func (s State) leave(first ...Verb) (State, []Action) {
	return s.to(Stopping), append(do(first...), Action{Verb: Drain, Stopping: true})
}

// giveUp is the way out when the application cannot go on. A predecessor that
// drains, or else systemd, sees this process go and takes over.
func giveUp(s State, e Event) (State, []Action) {
	var actions []Action
	switch s.Phase {
	case Ended:
		return s, nil
	case Draining, Stopping:
		// It is about to go, and finishes its work first.
		return s, []Action{because(Remember, e.Err)}
	case Preparing, Storing, Offering:
		actions = do(Kill)
	}
	if s.Phase.Accepts() {
		actions = append(actions, Action{Verb: CloseGates})
	}
	if s.Predecessor {
		actions = append(actions, because(TellRefused, e.Err))
	}
	return s.end(e.Err, append(actions, Action{Verb: Cut})...)
}
