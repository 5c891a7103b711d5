package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func good(version string) shown {
	return shown{
		version: version, systemd: version + ".1", done: true, exposure: 1.4, polls: leastPolls,
		upgrades: 22, takenBack: 6, goodExits: []int{0, 0}, badExits: []int{1, 1},
	}
}

// The last line has everything, and each promise shows when it is broken.
func TestReport(t *testing.T) {
	proofs := []shown{good("254"), good("257"), good("262")}
	r := sum(proofs)
	if broken := r.broken(); len(broken) > 0 {
		t.Errorf("broken: %v", broken)
	}
	var b bytes.Buffer
	if err := r.conclude(&b, proofs); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	var last report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(last.Systemd, []string{"254", "257", "262"}) || last.SecurityScore != 1.4 || last.Polls != 3*leastPolls ||
		last.ExitGood != 0 || last.ExitBad != 1 || last.Rules == 0 || last.Upgrades != 66 || last.Failed != 0 {
		t.Errorf("%+v", last)
	}

	for what, spoil := range map[string]func(*shown){
		"not done":      func(p *shown) { p.done, p.notRun = false, "no image" },
		"exposed":       func(p *shown) { p.exposure = 1.6 },
		"findings":      func(p *shown) { p.findings = 1 },
		"ownerless":     func(p *shown) { p.ownerless = 1 },
		"few polls":     func(p *shown) { p.polls-- },
		"good exits 1":  func(p *shown) { p.goodExits = []int{0, 1} },
		"bad exits 0":   func(p *shown) { p.badExits = []int{1, 0} },
		"a bad outcome": func(p *shown) { p.failures = []string{"it is another generation"} },
	} {
		p := good("257")
		spoil(&p)
		if len(sum([]shown{good("254"), p}).broken()) == 0 {
			t.Errorf("%s: nothing is broken", what)
		}
	}
	if !strings.Contains(lines[1], "exposure") {
		t.Errorf("the table begins with %q", lines[1])
	}
}
