package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/instar-project/instar/units"
)

// proof is what one version of systemd has shown.
type proof struct {
	version, systemd    string // as asked for, and exactly
	notRun              string // why; "": it was
	done                bool
	exposure            float64 // of systemd-analyze security
	findings            int     // of instar verify
	polls, ownerless    int
	upgrades, takenBack int
	goodExits, badExits []int    // of systemctl reload
	failures            []string // outcomes that nobody expects
}

// report is the last line of the output.
type report struct {
	Proof         string   `json:"proof"`
	Systemd       []string `json:"systemd"` // versions on which all was done
	SecurityScore float64  `json:"security_score_max"`
	Findings      int      `json:"verify_findings"`
	Ownerless     int      `json:"name_ownerless_polls"`
	Polls         int      `json:"polls"`
	ExitGood      int      `json:"reload_exit_good"` // the highest
	ExitBad       int      `json:"reload_exit_bad"`  // the lowest
	Rules         int      `json:"verify_rules"`
	Upgrades      int      `json:"upgrades"`
	TakenBack     int      `json:"taken_back"`
	Failed        int      `json:"failed"`

	polls    []int // on each version
	versions int
}

func sum(proofs []proof) report {
	r := report{Proof: "cli", Systemd: []string{}, Rules: len(units.Rules()), versions: len(proofs)}
	var bad []int
	for _, p := range proofs {
		if p.done {
			r.Systemd = append(r.Systemd, p.version)
		}
		r.SecurityScore = max(r.SecurityScore, p.exposure)
		r.Findings += p.findings
		r.Ownerless += p.ownerless
		r.Polls += p.polls
		r.polls = append(r.polls, p.polls)
		r.Upgrades += p.upgrades
		r.TakenBack += p.takenBack
		r.Failed += len(p.failures)
		r.ExitGood = max(r.ExitGood, slices.Max(append(p.goodExits, 0)))
		bad = append(bad, p.badExits...)
	}
	if len(bad) > 0 {
		r.ExitBad = slices.Min(bad)
	}
	return r
}

// broken are the promises that were.
func (r report) broken() (all []error) {
	broken := func(is bool, format string, args ...any) {
		if is {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	broken(len(r.Systemd) < r.versions, "done on %v alone, of %d versions", r.Systemd, r.versions)
	broken(r.SecurityScore > 1.5, "systemd-analyze security scores the service %.1f, more than 1.5", r.SecurityScore)
	broken(r.Findings > 0, "instar verify has %d findings in what instar init has written", r.Findings)
	broken(r.Ownerless > 0, "the name had no owner at %d of %d polls", r.Ownerless, r.Polls)
	for _, n := range r.polls {
		broken(n < leastPolls, "%d polls on a version, not %d", n, leastPolls)
	}
	broken(r.ExitGood != 0 || r.ExitBad != 1, "systemctl reload exits with %d after a success and %d after a failure, not 0 and 1", r.ExitGood, r.ExitBad)
	broken(r.TakenBack < takenBack*r.versions, "%d upgrades were taken back, not %d", r.TakenBack, takenBack*r.versions)
	broken(r.Failed > 0, "%d outcomes that nobody expects", r.Failed)
	return all
}

// print writes the table and the JSON.
func (r report) print(w io.Writer, proofs []proof) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "systemd\texposure\tfindings\tupgrades\ttaken back\texit good\texit bad\tpolls\townerless\t")
	for _, p := range proofs {
		if p.notRun != "" {
			fmt.Fprintf(table, "%s\tnot done: %s\t\n", p.version, p.notRun)
			continue
		}
		fmt.Fprintf(table, "%s\t%.1f\t%d\t%d\t%d\t%v\t%v\t%d\t%d\t\n", p.systemd, p.exposure, p.findings, p.upgrades, p.takenBack,
			distinct(p.goodExits), distinct(p.badExits), p.polls, p.ownerless)
	}
	err := table.Flush()
	for _, p := range proofs {
		for _, f := range p.failures {
			fmt.Fprintf(w, "systemd %s: %s\n", p.version, f)
		}
	}
	fmt.Fprintln(w)
	return errors.Join(err, json.NewEncoder(w).Encode(r))
}

func distinct(all []int) []int { return slices.Compact(slices.Sorted(slices.Values(all))) }
