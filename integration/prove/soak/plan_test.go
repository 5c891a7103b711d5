package soak

import (
	"reflect"
	"testing"
)

func TestPlan(t *testing.T) {
	for _, n := range []int{40, 1000} {
		steps := plan(n, 7)
		kinds := map[string]int{}
		for _, s := range steps {
			if s.bad {
				kinds[s.build]++
			}
		}
		bad := 0
		for _, k := range kinds {
			bad += k
		}
		if bad != n/10 || steps[0].bad || steps[n-1].bad {
			t.Errorf("%d of %d upgrades are bad, the first %v, the last %v", bad, n, steps[0].bad, steps[n-1].bad)
		}
		if want := min(n/10, len(bads)+1); len(kinds) != want {
			t.Errorf("%d kinds of %d bad upgrades, want %d: %v", len(kinds), bad, want, kinds)
		}
		if !reflect.DeepEqual(steps, plan(n, 7)) || reflect.DeepEqual(steps, plan(n, 8)) {
			t.Error("the seed does not make the plan")
		}
	}
}
