package soak

import (
	"math/rand/v2"

	"github.com/instar-project/instar/integration/faulty/site"
)

// missing is a deployment without a binary.
const missing = "missing"

// goods are the builds that the service goes back and forth between, bads those
// that no upgrade may lead to. No client may notice any of them: each fails before
// the takeover, or hands back its connections.
var (
	goods = []site.Build{{Name: "even"}, {Name: "odd"}}
	bads  = []site.Build{
		{Name: "crash", Stamps: []string{"fault=crash"}},
		{Name: "panic", Stamps: []string{"fault=panic"}},
		{Name: "exit0", Stamps: []string{"fault=exit0"}},
		{Name: "hang", Stamps: []string{"fault=hang"}},
		{Name: "garbage", Stamps: []string{"fault=garbage"}},
		{Name: "refuse", Stamps: []string{"fault=refuse"}},
		{Name: "misnamed", Stamps: []string{"fault=misnamed"}},
		{Name: "late", Stamps: []string{"fault=late"}},
		{Name: "unadoptable", Stamps: []string{"fault=unadoptable"}},
		{Name: "unwell", Stamps: []string{"fault=unwell", "probation=60s"}},
	}
)

// Builds are all that Run deploys.
func Builds() []site.Build { return append(goods, bads...) }

// step is one upgrade.
type step struct {
	build string
	bad   bool
}

// plan makes n upgrades, a tenth of them bad: every kind before any comes again,
// at random places, but neither first nor last.
func plan(n int, seed uint64) []step {
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{missing}
	for _, b := range bads {
		names = append(names, b.Name)
	}
	var kinds []string
	for len(kinds) < n/10 {
		for _, i := range random.Perm(len(names)) {
			kinds = append(kinds, names[i])
		}
	}
	steps := make([]step, n)
	for i, at := range random.Perm(max(0, n-2)) {
		if i == n/10 {
			break
		}
		steps[at+1] = step{kinds[i], true}
	}
	for i := range steps {
		if !steps[i].bad {
			steps[i].build = goods[i%len(goods)].Name
		}
	}
	return steps
}
