package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
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

// print writes the table, what is to be said of the figures, and the JSON.
func (r report) print(w io.Writer, figures []figure) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tInstar\tbare\tratio (min–max)\ttarget\t")
	for _, f := range figures {
		if !f.measured() {
			fmt.Fprintf(table, "%s\t\t\t\t%s\t%s\n", f.name, f.target.text(f.unit), f.verdict())
			continue
		}
		ratios := f.ratios()
		fmt.Fprintf(table, "%s\t%.4g %s\t%.4g %s\t%.3f (%.2f–%.2f)\t%s\t%s\n", f.name,
			summarize(each(f.pairs, ours)).median, f.unit,
			summarize(each(f.pairs, bare)).median, f.unit,
			ratios.median, ratios.min, ratios.max,
			f.target.text(f.unit), f.verdict())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, record := range r.Figures {
		if record.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", record.Name, record.Note)
		}
	}
	fmt.Fprintln(w)
	return json.NewEncoder(w).Encode(r)
}
