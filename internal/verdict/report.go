package verdict

import "time"

// Report is a verdict as instar prints it for programs. The keys are promised, and
// documented in the help of instar status and instar logs: there may be more of them one
// day, never fewer.
type Report struct {
	Attempt    int          `json:"attempt"`
	From       Party        `json:"from"`
	To         Party        `json:"to"`
	Succeeded  bool         `json:"succeeded"`
	Reason     string       `json:"reason"`
	Began      time.Time    `json:"began"`
	Took       float64      `json:"took_seconds"`
	Steps      []StepReport `json:"steps"`
	LeftBehind []string     `json:"left_behind"`
}

// StepReport is a Step in a report.
type StepReport struct {
	Phase string  `json:"phase"`
	Took  float64 `json:"took_seconds"`
}

// Report returns v for programs.
func (v Verdict) Report() Report {
	r := Report{
		Attempt: v.Attempt, From: v.From, To: v.To,
		Succeeded: v.Err == nil, Reason: v.Reason(),
		Began: v.Began.UTC(), Took: v.Took().Seconds(),
		Steps:      []StepReport{}, // not nil: JSON has null for that
		LeftBehind: append([]string{}, v.LeftBehind...),
	}
	for _, s := range v.Steps {
		if s.Phase == "" { // see FromJournal
			continue
		}
		r.Steps = append(r.Steps, StepReport{s.Phase, s.Took.Seconds()})
	}
	return r
}
