package core

import "testing"

func TestSummarize(t *testing.T) {
	for _, test := range []struct {
		numbers []float64
		want    summary
	}{
		{[]float64{7}, summary{7, 7, 7}},
		{[]float64{4, 1}, summary{2.5, 1, 4}},
		{[]float64{9, 1, 5}, summary{5, 1, 9}},
		{[]float64{4, 100, 2, 1}, summary{3, 1, 100}},
	} {
		before := append([]float64(nil), test.numbers...)
		if got := summarize(test.numbers); got != test.want {
			t.Errorf("summarize(%v) = %+v, want %+v", test.numbers, got, test.want)
		}
		for i := range before {
			if test.numbers[i] != before[i] {
				t.Fatalf("summarize has sorted its argument: %v", test.numbers)
			}
		}
	}
}

// The ratio of a figure is the median of the ratios of its pairs, not the ratio
// of its medians: a machine that slows down half way changes nothing.
func TestRatioIsPairwise(t *testing.T) {
	pairs := []pair{{10, 10}, {11, 10}, {110, 100}, {120, 100}, {1300, 1000}}
	if got := summarize(each(pairs, pair.ratio)); got != (summary{1.1, 1, 1.3}) {
		t.Errorf("ratios %+v, want median 1.1, from 1 to 1.3", got)
	}
	if got := summarize(each(pairs, pair.difference)); got != (summary{10, 0, 300}) {
		t.Errorf("differences %+v, want median 10, from 0 to 300", got)
	}
}
