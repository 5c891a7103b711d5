package integration

import (
	"math/rand/v2"
	"testing"

	faulty "github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/prove/soak"
	"github.com/instar-project/instar/integration/stage"
)

// The short form of make soak: upgrades in a row under load, good ones and bad
// ones, leave nothing behind.
func TestSoak(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		if s.machine == nil {
			t.Skip("NOT RUN: it takes a machine of its own")
		}
		there, err := faulty.Install(s.ctx, stage.On(s.machine, builder), soak.Builds()...)
		s.must(err)
		report, err := soak.Run(s.ctx, soak.Config{Site: there, Port: 8081, Upgrades: 40, Seed: rand.Uint64() % 1_000_000, Say: t.Logf})
		s.must(err)
		for _, p := range report.Problems {
			t.Error(p)
		}
		t.Logf("%+v", report)
	})
}
