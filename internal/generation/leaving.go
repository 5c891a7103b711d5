package generation

// How a generation comes to its end.

func draining(s State, e Event) (State, []Action) {
	switch e.Kind {
	case ReloadAsked:
		// systemd has asked between READY=1 and MAINPID=.
		if s.Superseded {
			return s, nil
		}
		return s, do(PassOn)
	case SuccessorDied:
		if s.Superseded || s.SuccessorStopping {
			return s, nil
		}
		return s.to(Serving), []Action{because(Blame, e.Err), {Verb: NameSelf}, {Verb: Adopt}, {Verb: Resume}, {Verb: OpenGates}, {Verb: SayReady}}
	case SuccessorRefused:
		// It is about to go, and this is why.
		return s, []Action{because(Blame, e.Err)}
	case DrainedOut:
		return s.end(nil)
	case DrainTimedOut:
		return s.end(nil, Action{Verb: Cut})
	case StopAsked:
		return s.to(Stopping), nil
	}
	return s, nil
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
	return s.to(Stopping), append(do(first...), do(SayStopping, TellStopping, CloseGates, Store, Drain)...)
}

// giveUp is the way out when the application cannot go on. Whoever can take
// over, a predecessor that drains or systemd, sees this process go.
func giveUp(s State, e Event) (State, []Action) {
	if s.Phase == Ended {
		return s, nil
	}
	var actions []Action
	switch s.Phase {
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
