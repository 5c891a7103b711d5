package core

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/instar-project/instar/internal/verdict"
)

// steps says how long the steps of the example's upgrades took, from the
// verdicts in the journal: where the time of a reload goes.
func (s *site) steps(ctx context.Context) (string, error) {
	if err := s.SyncJournal(ctx); err != nil {
		return "", err
	}
	entries, err := s.Run(ctx, "journalctl", "--boot", "--no-pager", "--output=json",
		"MESSAGE_ID="+verdict.MessageID, "INSTAR_RESULT=succeeded")
	if err != nil {
		return "", err
	}
	return describeSteps(entries)
}

// describeSteps reads the output of journalctl --output=json: an object a line,
// whose fields INSTAR_<PHASE>_USEC are the steps.
func describeSteps(entries string) (string, error) {
	var parts []string
	for _, phase := range []string{"preparing", "storing", "taking over"} {
		field := "INSTAR_" + strings.ToUpper(strings.ReplaceAll(phase, " ", "_")) + "_USEC"
		var took []float64
		for line := range strings.Lines(entries) {
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				return "", fmt.Errorf("journalctl --output=json: %w", err)
			}
			text, _ := entry[field].(string) // a step that was left out has none
			if microseconds, err := strconv.ParseFloat(text, 64); err == nil {
				took = append(took, microseconds*microsecond/millisecond)
			}
		}
		if len(took) > 0 {
			parts = append(parts, fmt.Sprintf("%s %.3g ms", phase, summarize(took).median))
		}
	}
	return strings.Join(parts, ", "), nil
}
