package integration

import (
	"testing"

	"github.com/instar-project/instar/integration/prove/libraries"
	"github.com/instar-project/instar/integration/stage"
)

// The short form of make libraries: upgrades and take backs under the real clients of
// other people's libraries.
func TestLibraries(t *testing.T) {
	if err := libraries.Build(t.Context(), builder); err != nil { // before a machine's time runs
		t.Fatal(err)
	}
	onEach(t, func(t *testing.T, s *site) {
		if s.machine == nil {
			t.Skip("NOT RUN: it takes a machine of its own")
		}
		report, err := libraries.Run(s.ctx, stage.On(s.machine, builder), libraries.Plan{Upgrades: 2, TakeBacks: 1, Say: t.Logf})
		s.must(err)
		for _, p := range report.Problems {
			t.Error(p)
		}
		t.Logf("%+v", report)
		if t.Failed() {
			t.Log(s.journal())
		}
	})
}
