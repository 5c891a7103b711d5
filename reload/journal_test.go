package reload

import (
	"os"
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/generation"
)

// docs/journal.md has every field that is ever written.
func TestJournalFieldsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/journal.md")
	if err != nil {
		t.Fatal(err)
	}
	upgrades, preflights, ok := strings.Cut(string(text), "\n## A refused preflight")
	if !ok {
		t.Fatal("docs/journal.md has no section on preflights")
	}
	v := Verdict{Err: ErrCrashed, Words: "oh"}
	for _, p := range generation.Phases() {
		// The others are no steps, but where an upgrade begins, or ends.
		if p.Upgrading() || p == generation.Entering {
			v.Steps = append(v.Steps, Step{Phase: p.String()})
		}
	}
	for section, fields := range map[string]map[string]string{
		upgrades:   v.Journal(),
		preflights: new(Service).refusalFields(ErrRefused),
	} {
		for name := range fields {
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/journal.md does not have %s", name)
			}
		}
		if id := fields["MESSAGE_ID"]; !strings.Contains(section, "`"+id+"`") {
			t.Errorf("docs/journal.md does not have MESSAGE_ID=%s", id)
		}
	}
}
