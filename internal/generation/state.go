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
	// Proven: the successor under way has passed its probation before systemd has
	// confirmed that it is main.
	Proven bool
	// Trying: the upgrade under way has no verdict yet.
	Trying bool
	// Failed: the successor has failed while something else had to be finished
	// first, its own death included.
	Failed bool
	// SuccessorDead: and its process has gone.
	SuccessorDead bool
	// Confirmed: systemd knows this process, a successor, as main.
	Confirmed bool
	// Unjudged: the upgrade that has started this process has no verdict yet, as far as
	// this process knows.
	Unjudged bool
	// Passed: this process has passed its probation and waits for its
	// predecessor to agree.
	Passed bool
	// Drained: nothing is in flight any more.
	Drained bool
	// Lasted: the successor has been main for long enough that its death is no
	// reason to take back; it has proven itself, or time has.
	Lasted bool
	// ReloadPending: the reload signal came before this process could act on
	// it. systemd may send it as soon as it has read MAINPID= and READY=1, which
	// is before this process has been told that it is main.
	ReloadPending bool
}

// OnTrial reports whether a predecessor watches this process in its probation. The
// predecessor, which can take back, then notices if this process hangs, instead of
// systemd's watchdog, which can only restart the service.
func (s State) OnTrial() bool {
	return s.Predecessor && (s.Phase == Probation || s.Phase == HandingBack)
}

// Pings reports whether this process pings the watchdog of systemd.
func (s State) Pings() bool { return s.Phase.Main() && !s.OnTrial() }

// First is how a process starts that systemd has started.
func First() State { return State{Phase: Initialising} }

// Successor is how a process starts that a predecessor has started.
func Successor() State { return State{Phase: Initialising, Predecessor: true, Unjudged: true} }

// ErrPredecessorGone ends a successor whose predecessor went before the
// takeover: nothing has changed, and systemd starts the service anew.
var ErrPredecessorGone = errors.New("the predecessor has gone before the takeover")

// Step returns the state and the actions that follow when e happens in s. An event
// that means nothing in a phase changes nothing: messages, deaths and timers cross
// each other.
func Step(s State, e Event) (State, []Action) {
	switch e.Kind {
	case SuccessorSuperseded:
		s.Superseded = true
		return s.endIfDispensable()
	case SuccessorResumed:
		s.Superseded = false
		return s, nil
	case SuccessorStopping:
		// This process stays: systemd stops the unit, and if it finds no other process
		// beside a main process that is not its child, it does not wait for that one.
		s.SuccessorStopping = true
		return s, nil
	case Confirmed:
		s.Confirmed, s.Unjudged = true, false
		return s, nil
	case GaveUp:
		return giveUp(s, e)
	case PredecessorGone:
		return predecessorGone(s)
	}
	if e.Kind == SuccessorStrayed && s.Phase != Preparing {
		e.Kind = SuccessorDied // nobody needs it any more
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
	case Resuming:
		return resuming(s, e)
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

// serve is the way into Serving: a reload asked for too early is done now.
func (s State) serve(actions ...Action) (State, []Action) {
	s, actions = s.to(Serving).judge(actions)
	if !s.ReloadPending {
		return s, actions
	}
	s.ReloadPending = false
	s, more := serving(s, Event{Kind: ReloadAsked})
	return s, append(actions, more...)
}

// judge gives the verdict that a predecessor has not lived to give: this process serves,
// so the upgrade has succeeded.
func (s State) judge(actions []Action) (State, []Action) {
	if !s.Unjudged || s.Predecessor {
		return s, actions
	}
	s.Unjudged = false
	return s, append(actions, Action{Verb: Conclude})
}

// end leaves nothing behind.
func (s State) end(err error, before ...Action) (State, []Action) {
	return s.to(Ended), append(before, Action{Verb: End, Err: err})
}
