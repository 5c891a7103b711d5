package core

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestReportJSONIsTheLastLine(t *testing.T) {
	figures := []figure{
		{name: "accept", unit: "µs", target: target{ratio: 1.02}, pairs: []pair{{10.1, 10}, {10.3, 10}, {10.2, 10}}, note: "on loopback"},
		{name: "send", unit: "µs", pairs: []pair{{3, 2}}},
		{name: "reload", unit: "ms", target: target{ratio: 1.5}, unmeasured: errors.New("no machine here")},
	}
	var out strings.Builder
	if err := newReport("257.13", figures).conclude(&out, figures, nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	last := lines[len(lines)-1]
	const want = `{"bench":"core","systemd":"257.13","figures":[` +
		`{"name":"accept","ours":10.2,"bare":10,"unit":"µs","difference":0.2,"ratio_median":1.02,"ratio_min":1.01,"ratio_max":1.03,"samples":3,"target":"≤ 1.02","met":true,"note":"on loopback"},` +
		`{"name":"send","ours":3,"bare":2,"unit":"µs","difference":1,"ratio_median":1.5,"ratio_min":1.5,"ratio_max":1.5,"samples":1,"target":"","met":null,"note":""},` +
		`{"name":"reload","ours":null,"bare":null,"unit":"ms","difference":null,"ratio_median":null,"ratio_min":null,"ratio_max":null,"samples":0,"target":"≤ 1.5","met":null,"note":"not measured: no machine here"}]}`
	if last != want {
		t.Errorf("last line\n%s\nwant\n%s", last, want)
	}
	if !json.Valid([]byte(last)) {
		t.Errorf("no JSON: %s", last)
	}
	for _, want := range []string{
		"│ accept │ 10.2 µs │ 10 µs │ 1.020 (1.01–1.03) │ ≤ 1.02 │ met          │\n",
		"│ send   │ 3 µs    │ 2 µs  │ 1.500 (1.50–1.50) │        │ –            │\n",
		"│ ≤ 1.5  │ not measured │\n",
		"\naccept: on loopback\n",
		"\nreload: not measured: no machine here\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the report:\n%s", want, out.String())
		}
	}
}
