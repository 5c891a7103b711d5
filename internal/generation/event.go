package generation

// Kind is the kind of an event.
type Kind uint8

const (
	// Initialised: the application is ready to serve.
	Initialised Kind = iota
	// Adopted: the application has adopted its state from the store.
	Adopted
	// GaveUp: the application will not serve; Err says why.
	GaveUp
	// ReloadAsked: the reload signal came.
	ReloadAsked
	// StopAsked: SIGTERM came, or the application asked for the end.
	StopAsked
	// DrainedOut: nothing is in flight any more.
	DrainedOut
	// DrainTimedOut: the drain's deadline has passed.
	DrainTimedOut

	// SpawnFailed: no successor could be started; Err says why.
	SpawnFailed
	// SuccessorReady: it could serve at once; Probation says whether it wants one.
	SuccessorReady
	// SuccessorAdopted: it has adopted the state, and could accept at once.
	SuccessorAdopted
	// SuccessorRefused: it will not take over; Err says why.
	SuccessorRefused
	// SuccessorGarbled: it does not follow the protocol; Err has the message.
	SuccessorGarbled
	// SuccessorUnreachable: it could not be sent its descriptors; Err says why.
	SuccessorUnreachable
	// SuccessorLate: the time to get ready, or to prove itself, is over; Err says which.
	SuccessorLate
	// SuccessorProven: it has passed its probation.
	SuccessorProven
	// SuccessorUnhealthy: it has failed its probation; Err says why.
	SuccessorUnhealthy
	// SuccessorSuperseded: it is handing over to a successor of its own.
	SuccessorSuperseded
	// SuccessorResumed: that came to nothing, it is main again.
	SuccessorResumed
	// SuccessorStopping: it was told to stop.
	SuccessorStopping
	// SuccessorLasted: it has been main for long enough that its predecessor need
	// not stay for its sake.
	SuccessorLasted
	// SuccessorStrayed: it was killed by a signal that was not meant for it, SIGHUP to the
	// whole unit (systemctl kill, logrotate), before it could handle that. It may be
	// started again, since that says nothing about the build; Err says how it ended.
	SuccessorStrayed
	// SuccessorDied: its process has gone; Err says how.
	SuccessorDied

	// Stored: the application's state is in the store, which does not change any
	// more. Offer says whether the successor is to get it.
	Stored
	// StoreFailed: it has not; Err says why.
	StoreFailed
	// Named: systemd has confirmed the successor as main process.
	Named
	// NamingFailed: it has not; Err says why.
	NamingFailed

	// StateOffered: the predecessor has given this process the entries of the
	// store.
	StateOffered
	// TakeoverBegun: the predecessor stops accepting and names this process main.
	TakeoverBegun
	// TakenOver: systemd has confirmed this process as main.
	TakenOver
	// Confirmed: systemd has read that this process is main.
	Confirmed
	// Released: the predecessor agrees that this process is proven.
	Released
	// PredecessorGone: the predecessor's process has gone.
	PredecessorGone
	// ProbationPassed: this process has served long enough in good health.
	ProbationPassed
	// ProbationFailed: it has not; Err says why.
	ProbationFailed
)

// Event is an event, with the facts that the machine needs.
type Event struct {
	Kind Kind
	// Probation, in SuccessorReady and TakenOver: the successor proves itself
	// before READY=1.
	Probation bool
	// Offer, in Stored: there is something to adopt, or a Keeper in the successor.
	Offer bool
	// Foreign, in ReloadAsked: the signal came so long after Named that it is not
	// systemd's, which does not take this process for main any more. In TakeoverBegun: the signal that came
	// before was not, because systemd could not take this process for main yet.
	Foreign bool
	// Err is the reason, where a kind has one. The machine passes it on.
	Err error
}

var kindNames = [...]string{
	Initialised:          "initialised",
	Adopted:              "adopted",
	GaveUp:               "gave up",
	ReloadAsked:          "reload asked",
	StopAsked:            "stop asked",
	DrainedOut:           "drained",
	DrainTimedOut:        "drain timed out",
	SpawnFailed:          "spawn failed",
	SuccessorReady:       "successor ready",
	SuccessorAdopted:     "successor adopted",
	SuccessorRefused:     "successor refused",
	SuccessorGarbled:     "successor garbled",
	SuccessorUnreachable: "successor unreachable",
	SuccessorLate:        "successor late",
	SuccessorProven:      "successor proven",
	SuccessorUnhealthy:   "successor unhealthy",
	SuccessorSuperseded:  "successor superseded",
	SuccessorResumed:     "successor resumed",
	SuccessorStopping:    "successor stopping",
	SuccessorLasted:      "successor lasted",
	SuccessorStrayed:     "successor strayed",
	SuccessorDied:        "successor died",
	Stored:               "stored",
	StoreFailed:          "store failed",
	Named:                "named",
	NamingFailed:         "naming failed",
	StateOffered:         "state offered",
	TakeoverBegun:        "takeover begun",
	TakenOver:            "taken over",
	Confirmed:            "confirmed",
	Released:             "released",
	PredecessorGone:      "predecessor gone",
	ProbationPassed:      "probation passed",
	ProbationFailed:      "probation failed",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Kinds lists every kind of event.
func Kinds() []Kind {
	all := make([]Kind, len(kindNames))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}
