package verdict

import (
	"errors"
	"math"
	"strings"
	"time"
)

// Record is a verdict on its way to another process: JSON in the handover, without the
// fields that a successor knows or does not need, and a struct on the bus, whose signature
// is that of its fields in their order. Processes of other versions read it: a field is
// only ever added, at the end of those that the bus has.
type Record struct {
	Attempt    uint64       `json:"attempt"`
	From       PartyRecord  `json:"from"`
	To         PartyRecord  `json:"to"`
	Succeeded  bool         `json:"-"`
	Failure    string       `json:"failure,omitempty"` // "" if it has succeeded
	Signalled  bool         `json:"-"`
	BeganUSec  uint64       `json:"began_usec"` // CLOCK_REALTIME
	TookUSec   uint64       `json:"-"`          // all of Steps
	Steps      []StepRecord `json:"steps,omitempty"`
	LeftBehind []string     `json:"left_behind,omitempty"`

	Killed uint32 `json:"killed,omitempty" dbus:"-"` // the bus has a property of that
}

// PartyRecord is a Party in a record.
type PartyRecord struct {
	Generation uint32 `json:"generation"`
	PID        uint32 `json:"pid"`
	Build      string `json:"build"`
}

// StepRecord is a Step in a record.
type StepRecord struct {
	Phase string `json:"phase"`
	USec  uint64 `json:"usec"`
}

// Record returns v as other processes read it. Its text is fit for the bus: UTF-8 without
// NUL. That of no upgrade (Attempt is 0) is empty.
func (v Verdict) Record() Record {
	// Not nil: godbus sends no signature of that.
	r := Record{Steps: []StepRecord{}, LeftBehind: []string{}}
	if v.Attempt <= 0 {
		return r
	}
	r.Attempt = uint64(v.Attempt)
	r.From, r.To = v.From.Record(), v.To.Record()
	r.Signalled, r.Killed = v.Signalled, number(v.Killed)
	if r.Succeeded = v.Err == nil; !r.Succeeded {
		r.Failure = Text(v.Err.Error())
	}
	r.BeganUSec, r.TookUSec = USec(v.Began), uint64(v.Took().Microseconds())
	for _, s := range v.Steps {
		r.Steps = append(r.Steps, StepRecord{Text(s.Phase), uint64(s.Took.Microseconds())})
	}
	for _, line := range v.LeftBehind {
		r.LeftBehind = append(r.LeftBehind, Text(line))
	}
	return r
}

// Verdict is the inverse of Record.
func (r Record) Verdict() Verdict {
	if r.Attempt == 0 {
		return Verdict{}
	}
	v := Verdict{
		Attempt:    int(r.Attempt),
		From:       r.From.Party(),
		To:         r.To.Party(),
		Began:      time.UnixMicro(int64(r.BeganUSec)),
		Signalled:  r.Signalled,
		LeftBehind: r.LeftBehind,
		Killed:     int(r.Killed),
	}
	if !r.Succeeded {
		v.Err = errors.New(r.Failure)
	}
	for _, s := range r.Steps {
		v.Steps = append(v.Steps, Step{s.Phase, time.Duration(s.USec) * time.Microsecond})
	}
	return v
}

// Record returns p as other processes read it.
func (p Party) Record() PartyRecord {
	return PartyRecord{number(p.Generation), number(p.PID), Text(p.Build)}
}

// Party returns the party in r.
func (r PartyRecord) Party() Party { return Party{int(r.Generation), int(r.PID), r.Build} }

func number(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// USec is t in microseconds since 1970, 0 for the time before.
func USec(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) }

// Text is s as the bus takes it, which refuses a message with anything else in it.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
