package soak

import (
	"testing"
	"time"
)

// A process that has stayed for too long counts, but for the main process.
func TestOutlived(t *testing.T) {
	began := time.Now()
	old := map[int]time.Time{10: began, 11: began, 12: began}
	last := map[int]time.Time{10: began.Add(oldAge / 2), 11: began.Add(2 * oldAge), 12: began.Add(2 * oldAge), 13: began.Add(2 * oldAge)}
	if n := outlived(old, 12, last, 1); n != 1 {
		t.Errorf("%d processes have stayed for too long", n)
	}
	if n := outlived(old, 12, last, 3); n != 0 {
		t.Errorf("%d processes have stayed for too long on a slow machine", n)
	}
}

func TestReportJudges(t *testing.T) {
	well := Report{Requests: 1, HTTP2Requests: 1, PID1Growth: 1, ServiceGrowth: 1}
	for name, change := range map[string]func(*Report){
		"outlived": func(r *Report) { r.Outlived = 1 },
		"failed":   func(r *Report) { r.Failed = 1 },
		"growth":   func(r *Report) { r.ServiceGrowth = 2 },
		"leaked":   func(r *Report) { r.LeakedDescriptors = 1 },
	} {
		r := well
		if r.judge(); len(r.Problems) != 0 {
			t.Fatalf("%q", r.Problems)
		}
		change(&r)
		if r.judge(); len(r.Problems) != 1 {
			t.Errorf("%s: %q", name, r.Problems)
		}
	}
}
