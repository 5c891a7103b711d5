package generation

// Verb is something to do.
type Verb uint8

const (
	// OpenGates lets the listeners accept.
	OpenGates Verb = iota
	// CloseGates stops them, and returns once none accepts any more. They stay open.
	CloseGates
	// SayReady sends READY=1.
	SayReady
	// SayReloading sends RELOADING=1.
	SayReloading
	// SayStopping sends STOPPING=1.
	SayStopping

	// Spawn starts a successor, greets it and allows it ReadyTimeout. Once more in the same
	// attempt if the last one has strayed.
	// Comes back as SpawnFailed or, one day, as one of the Successor kinds.
	Spawn
	// Kill ends the successor by SIGKILL, or its start. Comes back as SuccessorDied.
	Kill
	// Blame remembers Err as the reason this attempt failed, unless it has one.
	Blame
	// Store parks the application's state in the store, and stops all changes to
	// it. Comes back as Stored or StoreFailed.
	Store
	// Offer gives the successor the entries of the store.
	Offer
	// Adopt makes the application adopt its state from the store. Comes back as Adopted or
	// GaveUp.
	Adopt
	// AnnounceTakeover tells the successor that its takeover begins.
	AnnounceTakeover
	// NameSuccessor sends, without probation, READY=1 of this process, then MAINPID=;
	// tells the successor that it is main, and waits until systemd has read it: the
	// successor's messages come after it, but this process must not end before. Comes
	// back as Named, or as NamingFailed if it could not be sent.
	NameSuccessor
	// Release ends the successor's probation as NameSuccessor does a takeover without:
	// READY=1, for which this process is main once more, then MAINPID=. Comes back as
	// Named.
	Release
	// PassOn has the successor, which is main or about to be, asked to reload.
	PassOn
	// NameSelf sends MAINPID= of this process, which takes back.
	NameSelf
	// Succeed gives the attempt's verdict: it succeeded. The successor learns
	// that it is Confirmed.
	Succeed
	// Conclude gives the verdict of the upgrade that has started this process, whose
	// predecessor has gone: it succeeded.
	Conclude
	// Fail gives the attempt's verdict: it failed for the reason Blame
	// remembered; READY=1 with that reason.
	Fail

	// TellReady tells the predecessor that this process is ready.
	TellReady
	// TellAdopted tells it that this process has adopted the store that was
	// offered.
	TellAdopted
	// TellRefused tells it that this process will not take over, or not go on,
	// because of Err.
	TellRefused
	// TellProven tells it that this process has passed its probation.
	TellProven
	// TellUnhealthy tells it that it has not, for the reason Blame remembered.
	TellUnhealthy
	// TellStopping tells it that this process was told to stop.
	TellStopping
	// TellSuperseded tells it, if it drains, that it must not take back any more.
	TellSuperseded
	// TellResumed tells it that it may again.
	TellResumed

	// BeginProbation starts the clock and the health checks of the probation.
	BeginProbation
	// Drain finishes a Store that is under way, then the work in flight, for
	// DrainTimeout at most. Comes back as DrainedOut or DrainTimedOut; after a
	// handover also as SuccessorLasted.
	Drain
	// Hurry tells the servers, which drain already, that the service stops.
	Hurry
	// Resume ends a drain: the servers serve as before.
	Resume
	// Settle tidies up once no predecessor is left: NOTIFYACCESS=main, and entries
	// that only the predecessor needed leave the store.
	Settle
	// Cut closes the connections that are still open.
	Cut
	// Remember keeps Err for the end: the process has to finish something first.
	Remember
	// End lets the process exit; Err, and the remembered error, are nil if all went well.
	End
)

// Action is something to do, with the reason where it has one.
type Action struct {
	Verb Verb
	// Probation, in NameSuccessor: READY=1 has to wait.
	Probation bool
	// Stopping, in Store and Drain: for the end of the service, not for a successor.
	Stopping bool
	// Again, in Spawn: the last successor of this attempt has strayed.
	Again bool
	// LastWords, in Kill: the successor has refused, and may say why it crashes first.
	LastWords bool
	Err       error
}

var verbNames = [...]string{
	OpenGates:        "open gates",
	CloseGates:       "close gates",
	SayReady:         "say ready",
	SayReloading:     "say reloading",
	SayStopping:      "say stopping",
	Spawn:            "spawn",
	Kill:             "kill",
	Blame:            "blame",
	Store:            "store",
	Offer:            "offer",
	Adopt:            "adopt",
	AnnounceTakeover: "announce takeover",
	NameSuccessor:    "name successor",
	Release:          "release",
	PassOn:           "pass on",
	NameSelf:         "name self",
	Succeed:          "succeed",
	Conclude:         "conclude",
	Fail:             "fail",
	TellReady:        "tell ready",
	TellAdopted:      "tell adopted",
	TellRefused:      "tell refused",
	TellProven:       "tell proven",
	TellUnhealthy:    "tell unhealthy",
	TellStopping:     "tell stopping",
	TellSuperseded:   "tell superseded",
	TellResumed:      "tell resumed",
	BeginProbation:   "begin probation",
	Drain:            "drain",
	Hurry:            "hurry",
	Resume:           "resume",
	Settle:           "settle",
	Cut:              "cut",
	Remember:         "remember",
	End:              "end",
}

func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown"
}

// Verbs lists every verb.
func Verbs() []Verb {
	all := make([]Verb, len(verbNames))
	for i := range all {
		all[i] = Verb(i)
	}
	return all
}
