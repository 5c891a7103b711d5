package inject

// Fault is something that goes wrong.
type Fault string

// The faults. "Acting" is the process that gets to the step.
const (
	KillPredecessor Fault = "kill -9 predecessor"
	KillSuccessor   Fault = "kill -9 successor"
	KillBoth        Fault = "kill -9 both"
	StopPredecessor Fault = "SIGSTOP predecessor"
	StopSuccessor   Fault = "SIGSTOP successor"
	StopBoth        Fault = "SIGSTOP both"
	Exit1           Fault = "exit 1"               // the acting process
	Exit0           Fault = "exit 0"               // the acting process
	Panic           Fault = "panic"                // the acting process
	DiskFull        Fault = "full disk"            // every Park of the acting process, until the order is withdrawn
	CloseNotify     Fault = "closed notify socket" // the acting process's
	HangMain        Fault = "hung main"            // the acting process, once Serve has returned
	HangAdopt       Fault = "hung Adopt"           // every Adopt of the acting process
	HangPark        Fault = "hung Park"            // every Park of the acting process
	FailServer      Fault = "failed server"        // one of the acting process's: its Serve returns an error
	FailSends       Fault = "failed sends"         // of descriptors by the acting process, for SendsFailFor: ETOOMANYREFS
)

// Faults lists all of them.
func Faults() []Fault {
	return []Fault{
		KillPredecessor, KillSuccessor, KillBoth, StopPredecessor, StopSuccessor, StopBoth, Exit1, Exit0, Panic,
		DiskFull, CloseNotify, HangMain, HangAdopt, HangPark, FailServer, FailSends,
	}
}

// Side is which of the two processes of an upgrade gets to a step.
type Side string

// The sides. In a restart they are the process that stops and the one that
// starts after it.
const (
	Predecessor Side = "predecessor"
	Successor   Side = "successor"
)

// Step is one of a generation: an action it is about to carry out, or a phase
// it has come to.
type Step struct {
	Side Side   `json:"side,omitempty"`
	Kind string `json:"kind"` // Verb or Phase
	Name string `json:"name"` // as internal/generation names it
}

// Kinds of a Step.
const (
	Verb  = "verb"
	Phase = "phase"
)

func (s Step) String() string { return string(s.Side) + " " + s.Kind + " " + s.Name }

// Order is a fault, and the step at which it happens.
type Order struct {
	Step
	Generation int   `json:"generation"` // of the process that is to act
	Fault      Fault `json:"fault"`
}

// Victims are the processes that a fault at a step of side ends, stops or cuts
// off from systemd, of the acting process and its peer, which is 0 if there is none.
func (f Fault) Victims(side Side, acting, peer int) []int {
	predecessor, successor := acting, peer
	if side == Successor {
		predecessor, successor = peer, acting
	}
	var all []int
	switch f {
	case KillPredecessor, StopPredecessor:
		all = []int{predecessor}
	case KillSuccessor, StopSuccessor:
		all = []int{successor}
	case KillBoth, StopBoth:
		all = []int{peer, acting}
	default:
		all = []int{acting}
	}
	living := all[:0]
	for _, pid := range all {
		if pid != 0 {
			living = append(living, pid)
		}
	}
	return living
}
