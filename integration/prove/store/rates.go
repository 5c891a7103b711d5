package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/prove/store/probing"
)

// samples are nanoseconds of one operation: those of the same place were measured in
// turns.
type samples struct {
	Append    []float64 `json:"append"`
	Write     []float64 `json:"write"`
	Send      []float64 `json:"send"`
	SendPlain []float64 `json:"send_plain"`
	Add       []float64 `json:"add"`
	AddFD     []float64 `json:"add_fd"`
	Remove    []float64 `json:"remove"`
	Few       []float64 `json:"few"`
	Many      []float64 `json:"many"`
}

// rates are the ratios.
type rates struct {
	AppendsPerSecond float64 `json:"appends_per_second"`
	WritesPerSecond  float64 `json:"writes_per_second"`
	AppendRatio      float64 `json:"append_ratio"`
	AddsPerSecond    float64 `json:"adds_per_second"`
	SendsPerSecond   float64 `json:"sends_per_second"` // with one descriptor
	AddRatio         float64 `json:"add_ratio"`
	AddFDRatio       float64 `json:"add_fd_ratio"`
	RemovesPerSecond float64 `json:"removes_per_second"`
	RemoveRatio      float64 `json:"remove_ratio"` // to a sendmsg(2) without descriptors
	PairRatio        float64 `json:"add_remove_ratio"`
	SwapsAtFew       float64 `json:"add_remove_per_second_at_1000"`
	SwapsAtMany      float64 `json:"add_remove_per_second_at_18000"`
	SizeRatio        float64 `json:"at_18000_to_at_1000"`
}

func measureRates(ctx context.Context, m *machine.Machine) (*rates, error) {
	proof.Say("  rates")
	s, err := probing.Measure[samples](ctx, m, "rates")
	if err != nil {
		return nil, err
	}
	perSecond := func(ns []float64) float64 { return math.Round(1e9 / median(ns)) }
	pairs := make([]float64, len(s.Add))
	for i := range pairs {
		pairs[i] = s.Many[i] / (s.Send[i] + s.SendPlain[i])
	}
	return &rates{
		AppendsPerSecond: perSecond(s.Append), WritesPerSecond: perSecond(s.Write), AppendRatio: ratio(s.Append, s.Write),
		AddsPerSecond: perSecond(s.Add), SendsPerSecond: perSecond(s.Send), AddRatio: ratio(s.Add, s.Send), AddFDRatio: ratio(s.AddFD, s.Send),
		RemovesPerSecond: perSecond(s.Remove), RemoveRatio: ratio(s.Remove, s.SendPlain), PairRatio: rounded(median(pairs)),
		SwapsAtFew: perSecond(s.Few), SwapsAtMany: perSecond(s.Many), SizeRatio: ratio(s.Many, s.Few),
	}, nil
}

// ratio is the median of the ratios.
func ratio(ours, bare []float64) float64 {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / bare[i]
	}
	return rounded(median(ratios))
}

// median panics when there are no numbers.
func median[N cmp.Ordered](numbers []N) N {
	return slices.Sorted(slices.Values(numbers))[len(numbers)/2]
}

func rounded(x float64) float64 { return math.Round(x*1e3) / 1e3 }

func milliseconds(nanoseconds float64) float64 { return rounded(nanoseconds / 1e6) }
