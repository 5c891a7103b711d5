package faults

import (
	"fmt"
	"time"

	"github.com/instar-project/instar/integration/faulty/inject"
	"github.com/instar-project/instar/integration/faulty/site"
)

// good is the build that serves before and after every cell.
const good = "good"

// A story is one upgrade, or the like.
type story struct {
	name  string
	about string
	// stamps are those of the build that is deployed; the story is its name.
	stamps []string
	// restart: by systemctl restart instead of reload.
	restart bool
	// serves is which process does, in the end, if nothing goes wrong.
	serves server
	// whole: every step of it makes cells. Otherwise only those do whose process
	// has done something else than in the stories before.
	whole bool
	// anew are steps that make cells although an earlier story has them.
	anew []string
	// old are the stamps of the build that has to serve when the story begins; nil: good does.
	old []string
	// dies: the successor does, by itself, once it serves.
	dies bool
	// released reports whether the request that the predecessor holds may end
	// now. nil: when systemctl returns. Whatever it says, it ends soon after a fault.
	released func(trace []inject.Event) bool
}

// server is the process that serves when all is over.
type server string

const (
	predecessor server = "predecessor"
	successor   server = "successor"
	restarted   server = "restarted" // a process that systemd has started
)

// stories go from the common to the rare.
func stories() []story {
	return []story{
		{
			name: "plain", about: "an upgrade without a probation",
			serves: successor, whole: true,
		},
		{
			name: "trial", about: "an upgrade with a probation",
			stamps: []string{"probation=300ms"},
			serves: successor, whole: true,
		},
		{
			name: "unwell", about: "a successor that fails its probation",
			stamps: []string{"probation=2s", "fault=unwell"},
			serves: predecessor,
		},
		{
			name: "refuse", about: "a successor that will not take over",
			stamps: []string{"fault=refuse"},
			serves: predecessor,
		},
		{
			name: "unadoptable", about: "a successor that cannot adopt the state",
			stamps: []string{"fault=unadoptable"},
			serves: predecessor,
		},
		{
			name: "relapse", about: "a successor that dies while its predecessor drains",
			stamps:   []string{"fault=relapse"},
			serves:   predecessor,
			dies:     true,
			released: done(inject.Step{Kind: inject.Verb, Name: "resume"}),
		},
		{
			name: "standby", about: "one that dies while its predecessor has nothing to drain, and stands by as long as the library has it",
			stamps:   []string{"fault=relapse"},
			old:      []string{"standby=0s"},
			serves:   predecessor,
			dies:     true,
			anew:     []string{"drain", "draining", "name self", "resuming", "resume", "adopt"},
			released: done(inject.Step{Kind: inject.Phase, Name: "draining"}),
		},
		{
			name: "cut", about: "a drain that takes too long",
			old:      []string{"drainTimeout=1s"},
			serves:   successor,
			released: done(inject.Step{Kind: inject.Verb, Name: "cut"}),
		},
		{
			name: "restart", about: "systemctl restart",
			serves: restarted, restart: true,
			released: done(inject.Step{Kind: inject.Verb, Name: "drain"}),
		},
		{
			name: "clogged", about: "systemctl restart of a service whose Park hangs",
			old:    []string{"fault=hungpark"},
			serves: restarted, restart: true,
			released: done(inject.Step{Kind: inject.Verb, Name: "drain"}),
		},
	}
}

// The limits of every build, unless its story has another: short, so that a cell is.
const (
	drainTimeout = 5 * time.Second
	endTimeout   = time.Second
)

func limits() []string {
	return []string{"standby=200ms", fmt.Sprintf("drainTimeout=%v", drainTimeout), fmt.Sprintf("endTimeout=%v", endTimeout)}
}

// builds are those that the story needs.
func (s story) builds() []site.Build {
	all := []site.Build{{Name: s.name, Stamps: append(limits(), s.stamps...)}}
	if s.old != nil {
		all = append(all, site.Build{Name: s.before(), Stamps: append(limits(), s.old...)})
	}
	return all
}

// before is the build that has to serve when the story begins.
func (s story) before() string {
	if s.old != nil {
		return "before-" + s.name
	}
	return good
}

// afterwards is how long a request is held when nothing follows from a fault any more.
const afterwards = 400 * time.Millisecond

// done reports whether a trace has a step.
func done(step inject.Step) func([]inject.Event) bool {
	return func(trace []inject.Event) bool {
		for _, e := range trace {
			if e.Step != nil && *e.Step == step {
				return true
			}
		}
		return false
	}
}
