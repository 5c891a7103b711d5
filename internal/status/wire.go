package status

import (
	"math"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"
)

// These are the structs on the bus, besides that of a verdict, see [verdict.Record]. godbus
// makes a D-Bus struct of a Go struct, field by field; the signatures are those of
// introspection.xml.

type wireDraining struct {
	Generation, PID uint32
	Build           string
	Connections     uint32
	DeadlineUSec    uint64
}

type wireSocket struct{ Name, Network, Address string }

func drainingToWire(all []reload.Draining) []wireDraining {
	w := []wireDraining{} // not nil: it would have no signature
	for _, d := range all {
		p := d.Party.Record()
		w = append(w, wireDraining{p.Generation, p.PID, p.Build, number(d.Connections), verdict.USec(d.Deadline)})
	}
	return w
}

func socketsToWire(all []inside.Socket) []wireSocket {
	w := []wireSocket{}
	for _, s := range all {
		w = append(w, wireSocket{verdict.Text(s.Name), s.Network, verdict.Text(s.Address)})
	}
	return w
}

func number(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func texts(all []string) []string {
	w := []string{} // not nil: it would have no signature
	for _, s := range all {
		w = append(w, verdict.Text(s))
	}
	return w
}
