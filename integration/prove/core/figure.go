package core

import "fmt"

// target is the limit of a figure. The zero value: there is none.
type target struct {
	ratio float64 // of the median of the ratios
	more  float64 // of the median of the differences, in the figure's unit
}

// A figure is one cost: Instar's beside the bare one. All but the name and the
// unit is zero when it was not measured.
type figure struct {
	name, unit string
	target     target
	pairs      []pair // in unit
	// note says how it was measured, and where it goes.
	note string
	// unmeasured is why there are no pairs.
	unmeasured error
}

func (f figure) measured() bool { return f.unmeasured == nil }

func (f figure) ratios() summary { return summarize(each(f.pairs, pair.ratio)) }

// met reports whether the target is met; judged is false when there is none, or
// no measurement.
func (f figure) met() (met, judged bool) {
	switch {
	case !f.measured() || f.target == target{}:
		return false, false
	case f.target.ratio > 0:
		return f.ratios().median <= f.target.ratio, true
	default:
		return summarize(each(f.pairs, pair.difference)).median <= f.target.more, true
	}
}

// text is the target as people write it.
func (t target) text(unit string) string {
	switch {
	case t.ratio > 0:
		return fmt.Sprintf("≤ %.4g", t.ratio)
	case t.more > 0:
		return fmt.Sprintf("≤ +%.4g %s", t.more, unit)
	}
	return ""
}

// verdict is the last column of the table.
func (f figure) verdict() string {
	met, judged := f.met()
	switch {
	case !f.measured():
		return "not measured"
	case !judged:
		return "–"
	case met:
		return "met"
	}
	return "MISSED"
}
