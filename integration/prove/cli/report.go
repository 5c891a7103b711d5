package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/internal/units"
)

// shown is the result on one version of systemd.
type shown struct {
	version, systemd    string // as asked for, and exactly
	notRun              string // why; "": it was
	done                bool
	exposure            float64 // of systemd-analyze security
	findings            int     // of instar verify
	polls, ownerless    int
	upgrades, takenBack int
	goodExits, badExits []int    // of systemctl reload
	failures            []string // unexpected outcomes
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

func sum(all []shown) report {
	r := report{Proof: "cli", Systemd: []string{}, Rules: len(units.Rules()), versions: len(all)}
	var bad []int
	for _, p := range all {
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
func (r report) broken() (all proof.Lines) {
	all.Expect(len(r.Systemd) == r.versions, "done on %v alone, of %d versions", r.Systemd, r.versions)
	all.Expect(r.SecurityScore <= 1.5, "systemd-analyze security scores the service %.1f, more than 1.5", r.SecurityScore)
	all.Expect(r.Findings == 0, "instar verify has %d findings in the units of instar init", r.Findings)
	all.Expect(r.Ownerless == 0, "the name had no owner at %d of %d polls", r.Ownerless, r.Polls)
	for _, n := range r.polls {
		all.Expect(n >= leastPolls, "%d polls on a version, not %d", n, leastPolls)
	}
	all.Expect(r.ExitGood == 0 && r.ExitBad == 1, "systemctl reload exits with %d after a success and %d after a failure, not 0 and 1", r.ExitGood, r.ExitBad)
	all.Expect(r.TakenBack >= takenBack*r.versions, "%d upgrades were taken back, not %d", r.TakenBack, takenBack*r.versions)
	all.Expect(r.Failed == 0, "%d unexpected outcomes", r.Failed)
	return all
}

// conclude writes the table, and the report as the last line.
func (r report) conclude(w io.Writer, all []shown) error {
	table := proof.Table("systemd", "exposure", "findings", "upgrades", "taken back", "exit good", "exit bad", "polls", "ownerless")
	for _, p := range all {
		if p.notRun != "" {
			table.Row(p.version, "not run")
			continue
		}
		table.Row(p.systemd, fmt.Sprintf("%.1f", p.exposure), fmt.Sprint(p.findings), fmt.Sprint(p.upgrades), fmt.Sprint(p.takenBack),
			fmt.Sprint(distinct(p.goodExits)), fmt.Sprint(distinct(p.badExits)), fmt.Sprint(p.polls), fmt.Sprint(p.ownerless))
	}
	fmt.Fprintln(w, table)
	for _, p := range all {
		if p.notRun != "" {
			fmt.Fprintf(w, "systemd %s was not run, or not to the end: %s\n", p.version, p.notRun)
		}
		for _, f := range p.failures {
			fmt.Fprintf(w, "systemd %s: %s\n", p.version, f)
		}
	}
	return proof.Conclude(w, r, r.broken())
}

func distinct(all []int) []int { return slices.Compact(slices.Sorted(slices.Values(all))) }
