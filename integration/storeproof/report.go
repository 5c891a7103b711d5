package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// report is the last line of the output.
type report struct {
	Proof    string   `json:"proof"`
	Versions []proof  `json:"versions"`
	Targets  []target `json:"targets"`
}

// proof is what one version of systemd has shown. What was not measured is null.
type proof struct {
	Systemd string    `json:"systemd"`
	NotRun  string    `json:"not_run,omitempty"` // why
	Chat    *story    `json:"chat"`
	Parking []parking `json:"parking"`
	Rates   *rates    `json:"rates"`
}

func (r *report) judge() {
	for _, p := range r.Versions {
		r.Targets = append(r.Targets, p.targets()...)
	}
}

// lost says whether a client has lost anything.
func (r *report) lost() bool {
	for _, p := range r.Versions {
		if p.Chat != nil && p.Chat.counts.Lost() {
			return true
		}
	}
	return false
}

// print writes the tables and the JSON.
func (r *report) print(w io.Writer) error {
	for _, p := range r.Versions {
		p.print(w)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "systemd\tfigure\tvalue\ttarget\t")
	for _, t := range r.Targets {
		verdict := "met"
		if !t.Met {
			verdict = "MISSED: " + t.Reason
		}
		fmt.Fprintf(table, "%s\t%s\t%g\t%s\t%s\n", t.Systemd, t.Name, t.Value, t.Target, verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return json.NewEncoder(w).Encode(r)
}

func (p proof) print(w io.Writer) {
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
		fmt.Fprintf(w, "    %d newcomers, of whom %d met a death between accept(2) and the store\n", c.Newcomers, c.Unwelcomed)
		for _, f := range c.Failures {
			fmt.Fprintf(w, "    %s\n", f)
		}
	}
	if len(p.Parking) > 0 {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "  connections\tway\tpark ms\trecover ms\tkill to answer ms\tPID 1 stall ms\tcame back\tplain / bundle\t")
		for _, s := range p.Parking {
			s.Bundle.row(table, s.Connections, "bundle", "")
			if s.Plain != nil {
				s.Plain.row(table, s.Connections, "plain", fmt.Sprintf("%.0f", *s.ParkRatio))
			}
		}
		table.Flush()
	}
	if r := p.Rates; r != nil {
		fmt.Fprintf(w, "  journal: %.0f appends/s, write(2) %.0f/s, ratio %.2f\n", r.AppendsPerSecond, r.WritesPerSecond, r.AppendRatio)
		fmt.Fprintf(w, "  bundle, 18,000 stored: %.0f adds/s, sendmsg(2) %.0f/s, ratio %.2f (by number %.2f); %.0f removes/s, ratio %.2f; both %.2f\n",
			r.AddsPerSecond, r.SendsPerSecond, r.AddRatio, r.AddFDRatio, r.RemovesPerSecond, r.RemoveRatio, r.PairRatio)
		fmt.Fprintf(w, "  one comes and one leaves: %.0f/s with 1,000 stored, %.0f/s with 18,000, ratio %.2f\n", r.SwapsAtFew, r.SwapsAtMany, r.SizeRatio)
	}
	fmt.Fprintln(w)
}

func (y way) row(w io.Writer, n int, name, ratio string) {
	fmt.Fprintf(w, "  %d\t%s\t%.2f\t%.2f\t%.0f\t%.0f\t%d\t%s\t\n", n, name, y.ParkMS, y.RecoverMS, y.BackMS, y.StallMS, y.CameBack, ratio)
}
