package demo

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/load"
)

// A board holds the present state. The story writes on it, the screen looks at it.
type board struct {
	log io.Writer // gets a line for each event; nil where a screen shows them

	mu    sync.Mutex
	state state
}

// A state is all that the screen shows.
type state struct {
	Doing       string // one sentence
	Systemd     string
	Begun       time.Time // of the demo
	Steps, Done int       // upgrades planned, and finished
	Wanted      int       // requests
	Services    []service
	Upgrades    []upgrade
	Counts      load.Counts
}

// A service is one of the two, as far as the screen is concerned.
type service struct {
	Name       string
	Build      build
	Generation int
	Processes  int
	Upgrading  bool
	Rates      []rate // by generation, oldest first
}

// phase is the activity of a service, in a word.
func (s service) phase() string {
	switch {
	case s.Upgrading:
		return "upgrading"
	case s.Processes > 1:
		return "draining"
	case s.Generation > 0:
		return "serving"
	}
	return "starting"
}

// An upgrade is one that has ended, well or not.
type upgrade struct {
	Service    string
	From, To   build
	Generation int // that serves after it
	RolledBack bool
	Why        string // it was rolled back

	// Takeover is the time from calling `systemctl reload` to the first answer
	// of the successor at any client; zero if it was rolled back.
	Takeover time.Duration

	// Reload is the time `systemctl reload` took.
	Reload time.Duration
}

// String returns the upgrade as a line of a log.
func (u upgrade) String() string {
	change := fmt.Sprintf("%-4s %s → %s", u.Service, u.From, u.To)
	if u.RolledBack {
		return fmt.Sprintf("%-20s rolled back to generation %d, reload %s: %s", change, u.Generation, ms(u.Reload), u.Why)
	}
	return fmt.Sprintf("%-20s generation %d, first answer after %s, reload %s", change, u.Generation, ms(u.Takeover), ms(u.Reload))
}

// A rate is how many answers of one generation came per second.
type rate struct {
	Generation int
	PerSecond  float64
}

// say announces the next step, on the screen and in the log.
func (b *board) say(format string, args ...any) {
	b.mention(format, args...)
	if b.log != nil {
		fmt.Fprintf(b.log, format+"\n", args...)
	}
}

// mention does so on the screen only, for steps that a log has no use for.
func (b *board) mention(format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	b.change(func(s *state) { s.Doing = sentence })
}

// upgraded notes an upgrade that has ended.
func (b *board) upgraded(u upgrade) {
	b.change(func(s *state) {
		s.Done++
		s.Upgrades = append(s.Upgrades, u)
		at := s.service(u.Service)
		at.Upgrading, at.Generation = false, u.Generation
		if !u.RolledBack {
			at.Build = u.To
		}
	})
	if b.log != nil {
		s := b.look()
		fmt.Fprintf(b.log, "%2d/%d %s; so far %s\n", s.Done, s.Steps, u, losses(s.Counts))
	}
}

// change changes the state.
func (b *board) change(change func(*state)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.state)
}

// look returns a copy of the present state.
func (b *board) look() state {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Services = slices.Clone(s.Services)
	s.Upgrades = slices.Clone(s.Upgrades)
	return s
}

// service returns the service of that name, which the state must have.
func (s *state) service(name string) *service {
	return &s.Services[slices.IndexFunc(s.Services, func(at service) bool { return at.Name == name })]
}

// progress is how much of the work is done, from 0 to 1. Upgrades and requests both
// have to be enough, so the one that is behind counts.
func (s state) progress() float64 {
	if s.Steps == 0 || s.Wanted == 0 {
		return 0
	}
	return min(float64(s.Done)/float64(s.Steps), float64(s.Counts.Requests)/float64(s.Wanted), 1)
}

// generations returns the counts of answers of each generation of a service.
func generations(c load.Counts, name string) []load.Generation {
	if name == web {
		return c.Web
	}
	return c.Echo
}

// latest returns the latest generation of a service that has answered, or one
// with number 0.
func latest(c load.Counts, name string) load.Generation {
	if all := generations(c, name); len(all) > 0 {
		return all[len(all)-1]
	}
	return load.Generation{}
}

// rates returns how many answers a second each generation gave between two
// counts of the same load, d apart.
func rates(before, after []load.Generation, d time.Duration) []rate {
	had := map[int]int{}
	for _, g := range before {
		had[g.Number] = g.Answers
	}
	var list []rate
	for _, g := range after {
		list = append(list, rate{g.Number, float64(g.Answers-had[g.Number]) / d.Seconds()})
	}
	return list
}
