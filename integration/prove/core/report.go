package core

import (
	"fmt"
	"io"
	"math"

	"github.com/instar-project/instar/integration/proof"
)

// report is the last line on standard output. Numbers are medians over the
// samples; those of a figure that was not measured are null.
type report struct {
	Bench   string   `json:"bench"`
	Systemd string   `json:"systemd"` // "257.13"; "": no machine could be booted
	Figures []record `json:"figures"`
}

type record struct {
	Name        string   `json:"name"`
	Ours        *float64 `json:"ours"`
	Bare        *float64 `json:"bare"`
	Unit        string   `json:"unit"`
	Difference  *float64 `json:"difference"`
	RatioMedian *float64 `json:"ratio_median"`
	RatioMin    *float64 `json:"ratio_min"`
	RatioMax    *float64 `json:"ratio_max"`
	Samples     int      `json:"samples"`
	Target      string   `json:"target"` // "": none
	Met         *bool    `json:"met"`    // null: no target, or not measured
	Note        string   `json:"note"`
}

func newReport(systemd string, figures []figure) report {
	r := report{Bench: "core", Systemd: systemd, Figures: []record{}}
	for _, f := range figures {
		r.Figures = append(r.Figures, newRecord(f))
	}
	return r
}

func newRecord(f figure) record {
	r := record{Name: f.name, Unit: f.unit, Target: f.target.text(f.unit), Note: f.note, Samples: len(f.pairs)}
	if !f.measured() {
		r.Note = "not measured: " + f.unmeasured.Error()
		return r
	}
	ratios := f.ratios()
	r.Ours = rounded(summarize(each(f.pairs, ours)).median)
	r.Bare = rounded(summarize(each(f.pairs, bare)).median)
	r.Difference = rounded(summarize(each(f.pairs, pair.difference)).median)
	r.RatioMedian, r.RatioMin, r.RatioMax = rounded(ratios.median), rounded(ratios.min), rounded(ratios.max)
	if met, judged := f.met(); judged {
		r.Met = &met
	}
	return r
}

// rounded leaves four decimals.
func rounded(x float64) *float64 {
	x = math.Round(x*1e4) / 1e4
	return &x
}

// conclude writes the table, notes on the figures, and the report as the last line.
func (r report) conclude(w io.Writer, figures []figure, problems proof.Lines) error {
	table := proof.Table("figure", "Instar", "bare", "ratio (min–max)", "target", "")
	for _, f := range figures {
		if !f.measured() {
			table.Row(f.name, "", "", "", f.target.text(f.unit), f.verdict())
			continue
		}
		ratios := f.ratios()
		table.Row(f.name,
			fmt.Sprintf("%.4g %s", summarize(each(f.pairs, ours)).median, f.unit),
			fmt.Sprintf("%.4g %s", summarize(each(f.pairs, bare)).median, f.unit),
			fmt.Sprintf("%.3f (%.2f–%.2f)", ratios.median, ratios.min, ratios.max),
			f.target.text(f.unit), f.verdict())
	}
	fmt.Fprintln(w, table)
	for _, record := range r.Figures {
		if record.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", record.Name, record.Note)
		}
	}
	fmt.Fprintln(w)
	return proof.Conclude(w, r, problems)
}
