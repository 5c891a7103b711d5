package generation

// Phase is where a generation stands.
type Phase uint8

const (
	// Initialising lasts from the start of the process until the application serves.
	Initialising Phase = iota
	// Ready is a successor that has told its predecessor so and waits to take over.
	Ready
	// Entering is a successor whose takeover has begun: if its predecessor dies
	// now, it carries on.
	Entering
	// Probation is the main process serving, READY=1 withheld until it has proven itself.
	Probation
	// HandingBack has failed its probation: it has stopped accepting and parks its
	// state in the store, for the predecessor to take back.
	HandingBack
	// Serving is the main process with no upgrade under way.
	Serving
	// Preparing is the main process with a successor that initialises.
	Preparing
	// Storing has stopped accepting and parks the state in the store.
	Storing
	// Offering has given the successor the entries of the store, and waits until it
	// has adopted them.
	Offering
	// TakingOver has stopped accepting and names the successor main.
	TakingOver
	// Proving watches a successor in its probation, ready to take back.
	Proving
	// Reverting is the main process, accepting, with a successor it has killed
	// and that has not gone yet.
	Reverting
	// TakingBack has killed a successor that was, or may be, main, and accepts
	// again once that one has gone.
	TakingBack
	// Resuming has taken back, and waits until the application has adopted its
	// state from the store before it accepts again.
	Resuming
	// Draining finishes the work in flight after a handover.
	Draining
	// Stopping finishes the work in flight because the service was told to stop.
	Stopping
	// Ended is over: nothing is in flight and the process exits.
	Ended
)

var phaseNames = [...]string{
	Initialising: "initialising",
	Ready:        "ready",
	Entering:     "entering",
	Probation:    "probation",
	HandingBack:  "handing back",
	Serving:      "serving",
	Preparing:    "preparing",
	Storing:      "storing",
	Offering:     "offering",
	TakingOver:   "taking over",
	Proving:      "proving",
	Reverting:    "reverting",
	TakingBack:   "taking back",
	Resuming:     "resuming",
	Draining:     "draining",
	Stopping:     "stopping",
	Ended:        "ended",
}

func (p Phase) String() string {
	if int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return "unknown"
}

// Phases lists every phase, so that a test matrix made from it leaves none out.
func Phases() []Phase {
	all := make([]Phase, len(phaseNames))
	for i := range all {
		all[i] = Phase(i)
	}
	return all
}

// Accepts reports whether a generation in this phase accepts.
func (p Phase) Accepts() bool {
	switch p {
	case Probation, Serving, Preparing, Reverting:
		return true
	}
	return false
}

// Main reports whether a generation in this phase holds itself for the main
// process, and so is the one that talks to systemd. A process that drains is
// mute.
func (p Phase) Main() bool {
	switch p {
	case Probation, HandingBack, Serving, Preparing, Storing, Offering, TakingOver, Reverting, Resuming:
		return true
	}
	return false
}

// SoleMain reports whether a generation in this phase is the main process beyond doubt.
func (p Phase) SoleMain() bool { return p.Main() && p != TakingOver }

// Watches reports whether a generation in this phase ends older ones that are overdue.
func (p Phase) Watches() bool { return p.Main() || p == Entering }

// PassesOn reports whether a reload signal in this phase is the successor's.
func (p Phase) PassesOn() bool { return p == TakingOver || p == Proving || p == Draining }

// Upgradable reports whether a generation in this phase is the main process and an upgrade
// is under way or may begin.
func (p Phase) Upgradable() bool { return p == Serving || p.Upgrading() }

// Leaving reports whether a generation in this phase begins no upgrade any more, unless
// it takes back.
func (p Phase) Leaving() bool { return p == Draining || p.Stopped() }

// Stopped reports whether a generation in this phase only finishes its work.
func (p Phase) Stopped() bool { return p == Stopping || p == Ended }

// Upgrading reports whether an upgrade is under way, or being undone.
func (p Phase) Upgrading() bool {
	switch p {
	case Preparing, Storing, Offering, TakingOver, Proving, Reverting, TakingBack, Resuming:
		return true
	}
	return false
}
