package status

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/instar-project/instar/reload"
)

// What the bus carries; the signatures are those of introspection.xml. godbus
// makes a D-Bus struct of a Go struct, field by field.

type wireParty struct {
	Generation, PID uint32
	Build           string
}

type wireStep struct {
	Phase    string
	TookUSec uint64
}

type wireVerdict struct {
	Attempt             uint64
	From, To            wireParty
	Succeeded           bool
	Reason              string
	Signalled           bool
	BeganUSec, TookUSec uint64
	Steps               []wireStep
	LeftBehind          []string
}

type wireDraining struct {
	Generation, PID uint32
	Build           string
	Connections     uint32
	DeadlineUSec    uint64
}

type wireSocket struct{ Name, Network, Address string }

func partyToWire(p reload.Party) wireParty {
	return wireParty{number(p.Generation), number(p.PID), text(p.Build)}
}

func (w wireParty) party() reload.Party {
	return reload.Party{Generation: int(w.Generation), PID: int(w.PID), Build: w.Build}
}

func verdictToWire(v reload.Verdict) wireVerdict {
	w := wireVerdict{Steps: []wireStep{}, LeftBehind: texts(v.LeftBehind)}
	if v.Attempt == 0 {
		return w
	}
	w.Attempt = uint64(v.Attempt)
	w.From, w.To = partyToWire(v.From), partyToWire(v.To)
	w.Succeeded, w.Signalled = v.Err == nil, v.Signalled
	if v.Err != nil {
		w.Reason = text(v.Err.Error())
	}
	w.BeganUSec, w.TookUSec = usec(v.Began), uint64(v.Took().Microseconds())
	for _, s := range v.Steps {
		w.Steps = append(w.Steps, wireStep{text(s.Phase), uint64(s.Took.Microseconds())})
	}
	return w
}

func (w wireVerdict) verdict() reload.Verdict {
	v := reload.Verdict{
		Attempt:   int(w.Attempt),
		From:      w.From.party(),
		To:        w.To.party(),
		Signalled: w.Signalled,
	}
	if w.Attempt == 0 {
		return v
	}
	v.Began = time.UnixMicro(int64(w.BeganUSec))
	v.LeftBehind = w.LeftBehind
	if !w.Succeeded {
		v.Err = errors.New(w.Reason)
	}
	for _, s := range w.Steps {
		v.Steps = append(v.Steps, reload.Step{Phase: s.Phase, Took: time.Duration(s.TookUSec) * time.Microsecond})
	}
	return v
}

func drainingToWire(all []reload.Draining) []wireDraining {
	w := []wireDraining{} // not nil: it would have no signature
	for _, d := range all {
		p := partyToWire(d.Party)
		w = append(w, wireDraining{p.Generation, p.PID, p.Build, number(d.Connections), usec(d.Deadline)})
	}
	return w
}

func socketsToWire(all []reload.Socket) []wireSocket {
	w := []wireSocket{}
	for _, s := range all {
		w = append(w, wireSocket{text(s.Name), s.Network, text(s.Address)})
	}
	return w
}

func number(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func usec(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) }

// text is s as the bus takes it: a message with anything else is refused whole.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func texts(all []string) []string {
	w := []string{} // not nil: it would have no signature
	for _, s := range all {
		w = append(w, text(s))
	}
	return w
}
