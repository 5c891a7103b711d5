package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/verdict"
)

// Each upgrade has one entry in the journal, with fields.
func TestVerdictInJournal(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.release("web", "integration/faulty", "version=good")
		s.install("web")
		s.must(s.manager.Start(s.ctx, "web.service"))
		s.release("web", "integration/faulty", "version=bad", "fault=crash")
		s.reload("web")
		s.release("web", "integration/faulty", "version=better")
		s.reload("web")

		type entry map[string]string
		var entries []entry
		s.eventually("both verdicts are in the journal", func() bool {
			out, err := s.run("journalctl", "--boot", "--output=json", "MESSAGE_ID="+verdict.MessageID)
			s.must(err)
			entries = nil
			for line := range strings.Lines(out) {
				var raw map[string]any
				s.must(json.Unmarshal([]byte(line), &raw))
				e := entry{}
				for k, v := range raw {
					e[k] = fmt.Sprint(v)
				}
				entries = append(entries, e)
			}
			return len(entries) >= 2
		})
		if len(entries) != 2 {
			t.Errorf("%d entries, want 2", len(entries))
		}
		for i, want := range []entry{
			{"INSTAR_ATTEMPT": "1", "INSTAR_RESULT": "failed", "INSTAR_FROM_BUILD": "good", "INSTAR_TO_GENERATION": "2", "PRIORITY": "3", "_SYSTEMD_UNIT": "web.service"},
			{"INSTAR_ATTEMPT": "2", "INSTAR_RESULT": "succeeded", "INSTAR_FROM_GENERATION": "1", "INSTAR_TO_BUILD": "better", "PRIORITY": "6"},
		} {
			for k, v := range want {
				if entries[i][k] != v {
					t.Errorf("verdict %d has %s=%q, want %q", i+1, k, entries[i][k], v)
				}
			}
			if entries[i]["INSTAR_PREPARING_USEC"] == "" || entries[i]["INSTAR_TOOK_USEC"] == "0" {
				t.Errorf("verdict %d does not say how long it took: %v", i+1, entries[i])
			}
		}
		if !strings.Contains(entries[0]["INSTAR_REASON"], "exited with status 1") {
			t.Errorf("INSTAR_REASON=%q", entries[0]["INSTAR_REASON"])
		}
	})
}
