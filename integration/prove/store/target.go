package store

import "fmt"

// target is a target on one version.
type target struct {
	Systemd string  `json:"systemd"`
	Name    string  `json:"name"`
	Target  string  `json:"target"`
	Value   float64 `json:"value"`
	Met     bool    `json:"met"`
	Reason  string  `json:"reason,omitempty"` // why not
}

// atMost and atLeast make a target.
func atMost(name string, value, limit float64, reason string) target {
	return newTarget(name, fmt.Sprintf("≤ %g", limit), value, value <= limit, reason)
}

func atLeast(name string, value, limit float64, reason string) target {
	return newTarget(name, fmt.Sprintf("≥ %g", limit), value, value >= limit, reason)
}

func newTarget(name, text string, value float64, met bool, reason string) target {
	t := target{Name: name, Target: text, Value: rounded(value), Met: met}
	if !met {
		t.Reason = reason
	}
	return t
}

// targets are those of the measurements.
func (p shown) targets() (all []target) {
	if c := p.Chat; c != nil {
		all = append(all,
			atMost("connections_lost", float64(c.ConnectionsLost), 0, "see failures"),
			atMost("lines_lost", float64(c.LinesLost), 0, "see failures"),
			atMost("lines_duplicated", float64(c.LinesDuplicated), 0, "see failures"),
			atMost("refused", float64(c.Refused), 0, "see failures"))
	}
	all = append(all, parkingTargets(p.Parking)...)
	if r := p.Rates; r != nil {
		const compaction = "every descriptor is sent twice, as it comes and in a block of 252, so that the queue has room for it; and the first message has to be taken out again"
		all = append(all,
			atMost("journal append / write(2)", r.AppendRatio, 2, "checksums"),
			atMost("bundle add / sendmsg(2)", r.AddRatio, 2, compaction),
			atMost("bundle remove / sendmsg(2)", r.RemoveRatio, 2, "dead entries have to be cleared away: for each that goes, another is written again"),
			atMost("bundle add and remove / two sendmsg(2)", r.PairRatio, 2, compaction),
			atMost("add and remove at 18,000 / at 1,000", r.SizeRatio, 1.5, "processor caches: the cost in system calls is the same"))
	}
	for i := range all {
		all[i].Systemd = p.Systemd
	}
	return all
}

func parkingTargets(sizes []parking) (all []target) {
	each := make(map[int]float64) // ms for one connection, to park and recover
	for _, s := range sizes {
		each[s.Connections] = (s.Bundle.ParkMS + s.Bundle.RecoverMS) / float64(s.Connections)
		if s.Connections == mostPlain && s.ParkRatio != nil {
			all = append(all, atLeast("plain / bundle, parking 8,000", *s.ParkRatio, 100, "systemd was fast"))
		}
		lost := s.Connections - s.Bundle.CameBack
		all = append(all, atMost(fmt.Sprintf("of %d connections not recovered", s.Connections), float64(lost), 0, "lost"))
	}
	if few, many := each[1000], each[18000]; few > 0 && many > 0 {
		all = append(all, atMost("time per connection at 18,000 / at 1,000", many/few, 1.5,
			"the work is the same, but 18,000 open files do not fit the processor's caches"))
	}
	return all
}
