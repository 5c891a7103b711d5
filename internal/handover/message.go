package handover

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/instar-project/instar/internal/oneline"
	"github.com/instar-project/instar/internal/verdict"
)

// MaxStartedWith leaves room in a datagram: JSON may write a byte as six.
const MaxStartedWith = 8 << 10

// Version is the version of the protocol, not of the library.
type Version struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

// Current is the version that this build speaks; tests have builds of other versions.
var Current = Version{Major: 1, Minor: 0}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Speaks reports whether a build that speaks v can talk to one that speaks w:
// the major versions are the same.
func (v Version) Speaks(w Version) bool { return v.Major == w.Major }

// Message is one of the types below.
type Message interface{ kind() string }

// Messages of the predecessor.
type (
	// Hello opens the conversation.
	Hello struct {
		Protocol Version `json:"protocol"`
		// Generation is the receiver's, counted from 1 since the unit was started.
		Generation int `json:"generation"`
		// Attempt numbers the upgrades the sender's line of main processes has tried.
		Attempt int `json:"attempt"`
		// PID and Build are the sender's.
		PID   int    `json:"pid"`
		Build string `json:"build"`
		// Descriptors is how many descriptors the Descriptors messages that follow carry in all.
		Descriptors int `json:"descriptors"`
		// StartedWith is the sender's record of how systemd has started the service:
		// text that means nothing to this package, MaxStartedWith bytes at most.
		StartedWith string `json:"started_with,omitempty"`
		// Stdout and Stderr are the paths of the log files that systemd has opened as the
		// service's; "" if it is none.
		Stdout string `json:"stdout,omitempty"`
		Stderr string `json:"stderr,omitempty"`
		// DrainUSec is how long the sender may drain after a takeover, EndUSec how long
		// its process may live after that, in microseconds; negative: for ever.
		DrainUSec int64 `json:"drain_usec,omitempty"`
		EndUSec   int64 `json:"end_usec,omitempty"`
		// Older are the generations before the sender's that still live.
		Older []Older `json:"older,omitempty"`
		// Killed is how many old generations were killed because they did not end.
		Killed int `json:"killed,omitempty"`
	}

	// Descriptors carries one descriptor for each name, in the order of the names.
	Descriptors struct {
		Names []string `json:"names"`
	}

	// State offers the entries of the sender's store, which does not change any
	// more; Descriptors messages follow as after Hello.
	State struct {
		Descriptors int `json:"descriptors"`
	}

	// Takeover says that the sender accepts no more and is about to name the
	// receiver main: from here on the receiver carries on if the sender dies.
	Takeover struct {
		// MonotonicUSec is when: a reload signal that came before is not systemd's.
		MonotonicUSec int64 `json:"monotonic_usec,omitempty"` // CLOCK_MONOTONIC
	}

	// TakenOver says that systemd has confirmed the receiver as main process.
	TakenOver struct{}

	// Verdict says how the upgrade that made the receiver main has ended.
	Verdict verdict.Record

	// Released says that the receiver's probation is over: it may send READY=1,
	// and the sender drains.
	Released struct{}
)

// Messages between the main process and the generations that drain.
type (
	// Draining says how far the sender's drain is; again and again.
	Draining struct {
		Party
		Connections  int   `json:"connections"`
		DeadlineUSec int64 `json:"deadline_usec"` // CLOCK_REALTIME
		// LeftUSec is how far the deadline is, EndUSec how long the sender's process may
		// live after it, in microseconds; negative: for ever.
		LeftUSec int64 `json:"left_usec,omitempty"`
		EndUSec  int64 `json:"end_usec,omitempty"`
		// Ends: the drain is over, and the sender's process is about to end.
		Ends bool `json:"ends,omitempty"`
	}

	// Older is a generation before the sender's, LeftUSec and EndUSec as in Draining.
	Older struct {
		Party
		LeftUSec int64 `json:"left_usec"`
		EndUSec  int64 `json:"end_usec"`
	}

	// Elder gives the receiver, which is main now, a line to an older generation
	// that drains.
	Elder struct {
		Party
	}

	// Line gives the receiver, which drains, a line to the process that is main now.
	Line struct{}

	// Cut ends the receiver's drain.
	Cut struct{}
)

// Party is a generation.
type Party = verdict.Party

// Verdict returns what m says, on one line: the sender may be of another version.
func (m Verdict) Verdict() verdict.Verdict {
	r := verdict.Record(m)
	r.Failure = oneline.Blank(r.Failure)
	r.Succeeded = r.Failure == "" // which is not sent
	return r.Verdict()
}

// Messages of the successor.
type (
	// Ready says that the sender could serve at once.
	Ready struct {
		Protocol Version `json:"protocol"`
		Build    string  `json:"build"`
		// Adopts: the sender wants State before the takeover, and answers Adopted.
		Adopts bool `json:"adopts,omitempty"`
		// Poises: the sender answers a Draining that says Ends.
		Poises bool `json:"poises,omitempty"`
		// ProbationUSec is how long the sender wants to serve before it calls
		// itself proven, in microseconds. Zero: it is proven by being ready.
		ProbationUSec int64 `json:"probation_usec,omitempty"`
	}

	// Adopted says that the sender has adopted the entries that State offered.
	Adopted struct{}

	// Refuse says that the sender will not take over, and why. Public is the part
	// of Reason that every local user may read; Errno is the error number in it, 0
	// if there is none. Unexplained: the only reason is that the sender ends, so
	// the way it ends may tell more.
	Refuse struct {
		Protocol    Version `json:"protocol"`
		Reason      string  `json:"reason"`
		Public      string  `json:"public,omitempty"`
		Errno       int     `json:"errno,omitempty"`
		Unexplained bool    `json:"unexplained,omitempty"`
	}

	// Alive says that the sender is well, again and again in its probation.
	Alive struct{}

	// Proven says that the sender has passed its probation.
	Proven struct{}

	// Unhealthy says that the sender has failed its probation and serves no more.
	// The fields are those of Refuse.
	Unhealthy struct {
		Reason string `json:"reason"`
		Public string `json:"public,omitempty"`
		Errno  int    `json:"errno,omitempty"`
	}

	// Superseded says that the sender is handing over to a successor of its
	// own, so the receiver must not take back when the sender goes.
	Superseded struct{}

	// Resumed takes Superseded back: the sender is main again.
	Resumed struct{}

	// Stored and Removed name the entries that the sender is about to make systemd
	// store and remove, so that the receiver knows them when it takes back. Stored
	// carries one descriptor for each name.
	Stored struct {
		Names []string `json:"names"`
	}
	Removed struct {
		Names []string `json:"names"`
	}

	// LastWords carries one descriptor, a stream on which the sender says why it
	// crashes, if it does.
	LastWords struct{}

	// Poised says that the sender is ready to be without its predecessor: the
	// receiver's process may end.
	Poised struct{}

	// Stopping says that the sender was told to stop, so its end is no reason
	// to take back.
	Stopping struct{}
)

func (Hello) kind() string       { return "hello" }
func (Descriptors) kind() string { return "descriptors" }
func (State) kind() string       { return "state" }
func (Takeover) kind() string    { return "takeover" }
func (TakenOver) kind() string   { return "taken-over" }
func (Verdict) kind() string     { return "verdict" }
func (Released) kind() string    { return "released" }
func (Draining) kind() string    { return "draining" }
func (Elder) kind() string       { return "elder" }
func (Line) kind() string        { return "line" }
func (Cut) kind() string         { return "cut" }
func (Ready) kind() string       { return "ready" }
func (Adopted) kind() string     { return "adopted" }
func (Refuse) kind() string      { return "refuse" }
func (Alive) kind() string       { return "alive" }
func (Proven) kind() string      { return "proven" }
func (Unhealthy) kind() string   { return "unhealthy" }
func (Superseded) kind() string  { return "superseded" }
func (Resumed) kind() string     { return "resumed" }
func (Stored) kind() string      { return "stored" }
func (Removed) kind() string     { return "removed" }
func (LastWords) kind() string   { return "last-words" }
func (Poised) kind() string      { return "poised" }
func (Stopping) kind() string    { return "stopping" }

// ErrUnknownType marks a message of a type this build doesn't know: to be
// ignored, since a later minor version may say more.
var ErrUnknownType = errors.New("unknown message type")

// Encode gives the bytes of one datagram.
func Encode(m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("handover: encode %s: %w", m.kind(), err)
	}
	head := fmt.Sprintf(`{"type":%q`, m.kind())
	if len(body) > len("{}") {
		head += ","
	}
	return append([]byte(head), body[1:]...), nil
}

// Decode reads one datagram. A type it doesn't know gives an error that wraps
// ErrUnknownType; anything that is no message at all gives another one.
func Decode(datagram []byte) (Message, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(datagram, &head); err != nil {
		return nil, fmt.Errorf("handover: %q is no message: %w", clip(datagram), err)
	}
	switch head.Type {
	case "hello":
		return decode[Hello](datagram)
	case "descriptors":
		return decode[Descriptors](datagram)
	case "state":
		return decode[State](datagram)
	case "takeover":
		return decode[Takeover](datagram)
	case "taken-over":
		return decode[TakenOver](datagram)
	case "verdict":
		return decode[Verdict](datagram)
	case "released":
		return decode[Released](datagram)
	case "draining":
		return decode[Draining](datagram)
	case "elder":
		return decode[Elder](datagram)
	case "line":
		return decode[Line](datagram)
	case "cut":
		return decode[Cut](datagram)
	case "ready":
		return decode[Ready](datagram)
	case "adopted":
		return decode[Adopted](datagram)
	case "refuse":
		return decode[Refuse](datagram)
	case "alive":
		return decode[Alive](datagram)
	case "proven":
		return decode[Proven](datagram)
	case "unhealthy":
		return decode[Unhealthy](datagram)
	case "superseded":
		return decode[Superseded](datagram)
	case "resumed":
		return decode[Resumed](datagram)
	case "stored":
		return decode[Stored](datagram)
	case "removed":
		return decode[Removed](datagram)
	case "last-words":
		return decode[LastWords](datagram)
	case "poised":
		return decode[Poised](datagram)
	case "stopping":
		return decode[Stopping](datagram)
	case "":
		return nil, fmt.Errorf("handover: %q is no message: it has no type", clip(datagram))
	}
	return nil, fmt.Errorf("handover: %w %q", ErrUnknownType, head.Type)
}

// decode reads a message whose type is settled. Fields of another major
// version may have other shapes, so a message that names one is kept as far as
// its version reaches.
func decode[M Message](datagram []byte) (Message, error) {
	var m M
	err := json.Unmarshal(datagram, &m)
	if err == nil {
		return m, nil
	}
	var head struct {
		Protocol Version `json:"protocol"`
	}
	if json.Unmarshal(datagram, &head) == nil && head.Protocol != (Version{}) && !Current.Speaks(head.Protocol) {
		switch any(m).(type) {
		case Hello:
			return Hello{Protocol: head.Protocol}, nil
		case Ready:
			return Ready{Protocol: head.Protocol}, nil
		case Refuse:
			return Refuse{Protocol: head.Protocol}, nil
		}
	}
	return nil, fmt.Errorf("handover: malformed %s: %w", m.kind(), err)
}

// clip keeps an error readable when the other end speaks something else.
func clip(b []byte) []byte {
	const most = 64
	if len(b) > most {
		return b[:most]
	}
	return b
}
