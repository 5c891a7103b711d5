package generation

// Kind is what happened.
type Kind uint8

const (
	// Initialised: the application is ready to serve.
	Initialised Kind = iota
	// Adopted: the application has taken what is in the store.
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
	// SuccessorAdopted: it has taken what is in the store, and could accept at once.
	SuccessorAdopted
	// SuccessorRefused: it will not take over; Err says why.
	SuccessorRefused
	// SuccessorGarbled: what it says is not the protocol; Err says what.
	SuccessorGarbled
	// SuccessorUnreachable: it could not be sent what it needs; Err says why.
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
	// SuccessorDied: its process has gone; Err says how.
	SuccessorDied

	// Stored: all that must outlive this process is in the store, and nobody
	// changes it any more. Offer says
	// whether the successor is to be told of it.
	Stored
	// StoreFailed: it has not; Err says why.
	StoreFailed
	// Named: systemd has confirmed the successor as main process.
	Named
	// NamingFailed: it has not; Err says why.
	NamingFailed

	// StateOffered: the predecessor has given this process what is in the store.
	StateOffered
	// TakeoverBegun: the predecessor stops to accept and names this process main.
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

// Event is what happened, with what the machine needs to know of it.
type Event struct {
	Kind Kind
	// Probation, in SuccessorReady and TakenOver: the successor proves itself
	// before READY=1.
	Probation bool
	// Offer, in Stored: there is something to adopt, or somebody who wants to.
	Offer bool
	// Foreign, in ReloadAsked: the signal is not systemd's, because systemd does not
	// take this process for main any more. In TakeoverBegun: the signal that came
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
