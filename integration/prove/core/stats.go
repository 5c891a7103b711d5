package core

import "slices"

// pair is one measurement of each side, one right after the other, so that
// both have seen the machine in the same mood.
type pair struct{ ours, bare float64 }

func (p pair) ratio() float64      { return p.ours / p.bare }
func (p pair) difference() float64 { return p.ours - p.bare }

// summary summarises some numbers.
type summary struct{ median, min, max float64 }

// summarize panics when there are no numbers.
func summarize(numbers []float64) summary {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return summary{
		median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		min:    sorted[0],
		max:    sorted[n-1],
	}
}

// each takes one number of every pair.
func each(pairs []pair, number func(pair) float64) []float64 {
	numbers := make([]float64, len(pairs))
	for i, p := range pairs {
		numbers[i] = number(p)
	}
	return numbers
}

func ours(p pair) float64 { return p.ours }
func bare(p pair) float64 { return p.bare }
