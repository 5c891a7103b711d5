package store

import (
	"fmt"
	"io"
	"strconv"

	"github.com/instar-project/instar/integration/proof"
)

// report is the last line of the output.
type report struct {
	Proof    string   `json:"proof"`
	Versions []shown  `json:"versions"`
	Targets  []target `json:"targets"`

	problems proof.Lines
}

// shown is the result on one version of systemd. Missing measurements are null.
type shown struct {
	Systemd string    `json:"systemd"`
	NotRun  string    `json:"not_run,omitempty"` // why
	Chat    *story    `json:"chat"`
	Parking []parking `json:"parking"`
	Rates   *rates    `json:"rates"`
}

// judge compares with the targets, of which a missed one is only reported. A client that has
// lost something is a problem.
func (r *report) judge() {
	for _, p := range r.Versions {
		r.Targets = append(r.Targets, p.targets()...)
		r.problems.Expect(p.Chat == nil || !p.Chat.counts.Lost(), "systemd %s: clients have lost something", p.Systemd)
	}
}

// conclude writes the tables, and the report as the last line.
func (r *report) conclude(w io.Writer) error {
	for _, p := range r.Versions {
		p.print(w)
	}
	table := proof.Table("systemd", "figure", "value", "target", "")
	for _, t := range r.Targets {
		verdict := "met"
		if !t.Met {
			verdict = "MISSED: " + t.Reason
		}
		table.Row(t.Systemd, t.Name, fmt.Sprint(t.Value), t.Target, verdict)
	}
	fmt.Fprintln(w, table)
	return proof.Conclude(w, r, r.problems)
}

func (p shown) print(w io.Writer) {
	fmt.Fprintf(w, "systemd %s\n", p.Systemd)
	if p.NotRun != "" {
		fmt.Fprintf(w, "  not run: %s\n\n", p.NotRun)
		return
	}
	if c := p.Chat; c != nil {
		fmt.Fprintf(w, "  chat: %d clients, %d reloads, %d restarts, %d kills (%d in a reload)\n", c.Clients, c.Reloads, c.Restarts, c.Kills, c.KillsInReload)
		fmt.Fprintf(w, "    %d lines said, %d delivered; lost: %d connections, %d lines; duplicated: %d; refused: %d\n",
			c.Lines, c.Deliveries, c.ConnectionsLost, c.LinesLost, c.LinesDuplicated, c.Refused)
		fmt.Fprintf(w, "    %d lines repeated and %d cut, which the clients ignored; the slowest acknowledgement took %.0f ms\n", c.Repeated, c.Cut, c.SlowestMS)
		fmt.Fprintf(w, "    %d newcomers, %d of which met a death between accept(2) and the store\n", c.Newcomers, c.Unwelcomed)
		for _, f := range c.Failures {
			fmt.Fprintf(w, "    %s\n", f)
		}
	}
	if len(p.Parking) > 0 {
		table := proof.Table("connections", "way", "park ms", "recover ms", "kill to answer ms", "PID 1 stall ms", "came back", "plain / bundle")
		for _, s := range p.Parking {
			table.Row(s.Bundle.row(s.Connections, "bundle", "")...)
			if s.Plain != nil {
				table.Row(s.Plain.row(s.Connections, "plain", fmt.Sprintf("%.0f", *s.ParkRatio))...)
			}
		}
		fmt.Fprintln(w, table)
	}
	if r := p.Rates; r != nil {
		fmt.Fprintf(w, "  journal: %.0f appends/s, write(2) %.0f/s, ratio %.2f\n", r.AppendsPerSecond, r.WritesPerSecond, r.AppendRatio)
		fmt.Fprintf(w, "  bundle, 18,000 stored: %.0f adds/s, sendmsg(2) %.0f/s, ratio %.2f (by number %.2f); %.0f removes/s, ratio %.2f; both %.2f\n",
			r.AddsPerSecond, r.SendsPerSecond, r.AddRatio, r.AddFDRatio, r.RemovesPerSecond, r.RemoveRatio, r.PairRatio)
		fmt.Fprintf(w, "  one comes and one leaves: %.0f/s with 1,000 stored, %.0f/s with 18,000, ratio %.2f\n", r.SwapsAtFew, r.SwapsAtMany, r.SizeRatio)
	}
	fmt.Fprintln(w)
}

func (y way) row(n int, name, ratio string) []string {
	return []string{strconv.Itoa(n), name, fmt.Sprintf("%.2f", y.ParkMS), fmt.Sprintf("%.2f", y.RecoverMS),
		fmt.Sprintf("%.0f", y.BackMS), fmt.Sprintf("%.0f", y.StallMS), strconv.Itoa(y.CameBack), ratio}
}
