// Package libraries is make libraries: one service with the servers of several libraries
// is upgraded again and again, and takes back, while the real clients of these libraries
// ask it. Nothing may fail, and every connection that lasts has to be told of the drain.
package libraries

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// Plan is the work of a run.
type Plan struct {
	Upgrades  int
	TakeBacks int // of each kind: on probation, and in the drain
	Say       func(format string, args ...any)
}

// Report is the outcome of a run.
type Report struct {
	Systemd          string      `json:"systemd"`
	Upgrades         int         `json:"upgrades"`
	TakeBacks        int         `json:"take_backs"`          // from a build that is unwell on its probation
	TakeBacksInDrain int         `json:"take_backs_in_drain"` // from a build that dies after the takeover
	UnaryCalls       int         `json:"grpc_unary"`
	UnaryFailed      int         `json:"unary_failed"`
	StreamsTold      int         `json:"grpc_streams_told"`
	StreamsLost      int         `json:"grpc_streams_lost"`
	DNSQueries       int         `json:"dns_queries"` // by TCP and by UDP, each once, 500 ms
	DNSUnanswered    int         `json:"dns_unanswered"`
	EventsTold       int         `json:"sse_told"`
	EventsLost       int         `json:"sse_lost"`
	WebSocketsTold   int         `json:"websocket_told"`
	WebSocketsLost   int         `json:"websocket_lost"`
	FastRequests     int         `json:"fasthttp_requests"` // POST on kept connections, each once
	FastFailed       int         `json:"fasthttp_failed"`
	Sessions         int         `json:"ssh_sessions"`
	SessionsBroken   int         `json:"ssh_broken"`
	ToldMedian       float64     `json:"told_ms_median"` // from a takeover to the notice at the client
	ToldMax          float64     `json:"told_ms_max"`
	Cut              int         `json:"cut"` // connections that take no notice, at the deadline
	CutSpread        float64     `json:"cut_spread_ms_median"`
	Restarts         string      `json:"restarts"`
	Seconds          float64     `json:"seconds"`
	Problems         proof.Lines `json:"problems"`
}

// clients by protocol: the socket they ask, and how many connections each holds.
var clients = map[string]struct {
	socket string
	hold   int
}{
	"grpc-unary": {"grpc", 4},
	"grpc-told":  {"grpc", 5},
	"dns-tcp":    {"dns-tcp", 0},
	"dns-udp":    {"dns-udp", 0},
	"events":     {"push", 5},
	"websocket":  {"push", 5},
	"heedless":   {"push", 10},
	"fast":       {"fast", 5},
	"ssh-again":  {"ssh", 4},
}

// Run carries out a plan on a stage. Broken promises are among the Problems; the error says
// that it could not begin.
func Run(ctx context.Context, on *stage.Stage, p Plan) (Report, error) {
	r := Report{Systemd: on.Image().Systemd}
	began := time.Now()
	s, err := install(ctx, on)
	if err != nil {
		return r, err
	}
	running := make(map[string]*client)
	for protocol, c := range clients {
		if running[protocol], err = start(ctx, on, protocol, sockets[c.socket].asked); err != nil {
			return r, err
		}
	}
	upgrades, steps, err := s.carryOut(ctx, p, &r)
	if err != nil {
		r.Problems.Add("%v", err)
	}
	tallies := make(map[string]tally)
	for protocol, c := range running {
		t, err := c.end()
		if err != nil {
			r.Problems.Add("%v", err)
		}
		tallies[protocol] = t
		r.Problems = append(r.Problems, t.losses...)
	}
	if r.Restarts, err = s.Manager.Property(ctx, unit, "NRestarts"); err != nil || r.Restarts != "0" {
		r.Problems.Add("systemd has restarted the service %s times, %v", r.Restarts, err)
	}
	takeovers, err := s.takeovers(ctx)
	if err != nil {
		r.Problems.Add("%v", err)
	}
	r.sum(p, tallies, upgrades, takeovers)
	r.place(append(tallies["dns-tcp"].missed, tallies["dns-udp"].missed...), steps)
	r.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	return r, nil
}

// span is the time that an upgrade took, up to the end of its predecessor.
type span struct{ from, to time.Time }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// step is an upgrade or a take back, up to the next one.
type step struct {
	name string
	from time.Time
}

// carryOut carries out the plan, with the take backs spread among the upgrades.
func (s *service) carryOut(ctx context.Context, p Plan, r *Report) (upgrades []span, steps []step, err error) {
	for n := 1; n <= p.Upgrades; n++ {
		from := time.Now()
		steps = append(steps, step{fmt.Sprintf("upgrade %d", n), from})
		if err := s.upgrade(ctx, []string{"even", "odd"}[n%2]); err != nil {
			return upgrades, steps, fmt.Errorf("upgrade %d: %w", n, err)
		}
		upgrades = append(upgrades, span{from, time.Now()})
		r.Upgrades++
		if n*p.TakeBacks/p.Upgrades == (n-1)*p.TakeBacks/p.Upgrades {
			continue
		}
		for build, done := range map[string]*int{"unwell": &r.TakeBacks, "deaf": &r.TakeBacksInDrain} {
			steps = append(steps, step{fmt.Sprintf("the take back from the %s build after upgrade %d", build, n), time.Now()})
			if err := s.takeBack(ctx, build); err != nil {
				return upgrades, steps, fmt.Errorf("take back from the %s build after upgrade %d: %w", build, n, err)
			}
			*done++
		}
		p.Say("%d upgrades, %d take backs on probation and %d in the drain", r.Upgrades, r.TakeBacks, r.TakeBacksInDrain)
	}
	return upgrades, steps, nil
}

// place says in which step queries were missed.
func (r *Report) place(missed []time.Time, steps []step) {
	for i, step := range steps {
		in := span{step.from, time.Now()}
		if i+1 < len(steps) {
			in.to = steps[i+1].from
		}
		if late := within(missed, in); len(late) > 0 {
			r.Problems.Add("%d queries were missed in %s, given up %v to %v after its beginning", len(late), step.name, late[0].Sub(step.from), late[len(late)-1].Sub(step.from))
		}
	}
}

// sum fills the report in, and says which promises are broken.
func (r *Report) sum(p Plan, tallies map[string]tally, upgrades []span, takeovers []time.Time) {
	unary, streams, fast, shells := tallies["grpc-unary"], tallies["grpc-told"], tallies["fast"], tallies["ssh-again"]
	tcp, udp := tallies["dns-tcp"], tallies["dns-udp"]
	events, sockets, heedless := tallies["events"], tallies["websocket"], tallies["heedless"]
	r.UnaryCalls, r.UnaryFailed = unary.done, unary.lost
	r.StreamsTold, r.StreamsLost = len(streams.told), streams.lost
	r.DNSQueries, r.DNSUnanswered = tcp.done+udp.done+tcp.lost+udp.lost, tcp.lost+udp.lost
	r.EventsTold, r.EventsLost = len(events.told), events.lost
	r.WebSocketsTold, r.WebSocketsLost = len(sockets.told), sockets.lost
	r.FastRequests, r.FastFailed = fast.done, fast.lost
	r.Sessions, r.SessionsBroken = shells.done, shells.lost
	r.Cut = len(heedless.cut)

	if r.Upgrades != p.Upgrades || r.TakeBacks != p.TakeBacks || r.TakeBacksInDrain != p.TakeBacks {
		r.Problems.Add("%d upgrades and %d and %d take backs, not %d and %d of each", r.Upgrades, r.TakeBacks, r.TakeBacksInDrain, p.Upgrades, p.TakeBacks)
	}
	// A client that asked nothing has lost nothing.
	for protocol, t := range tallies {
		if len(t.told)+len(t.cut)+t.done == 0 {
			r.Problems.Add("the client of %s has done nothing", protocol)
		}
	}
	var waits, spreads []time.Duration
	for n, upgrade := range upgrades {
		i := slices.IndexFunc(takeovers, upgrade.has)
		if i < 0 {
			r.Problems.Add("no process has said that upgrade %d was a takeover", n+1)
			continue
		}
		for _, protocol := range []string{"grpc-told", "events", "websocket"} {
			told := within(tallies[protocol].told, upgrade)
			if want := clients[protocol].hold; len(told) != want {
				r.Problems.Add("upgrade %d: of %d connections of %s %d were told", n+1, want, protocol, len(told))
			}
			for _, t := range told {
				waits = append(waits, t.Sub(takeovers[i]))
			}
		}
		cut := within(heedless.cut, upgrade)
		if want := clients["heedless"].hold; len(cut) != want {
			r.Problems.Add("upgrade %d: of %d connections that take no notice %d were cut", n+1, want, len(cut))
			continue
		}
		spreads = append(spreads, cut[len(cut)-1].Sub(cut[0]))
	}
	r.ToldMedian, r.ToldMax = median(waits), largest(waits)
	r.CutSpread = median(spreads)
}

// within are the moments of a span, in order.
func within(moments []time.Time, s span) []time.Time {
	moments = slices.DeleteFunc(slices.Clone(moments), func(t time.Time) bool { return !s.has(t) })
	slices.SortFunc(moments, time.Time.Compare)
	return moments
}

// median and largest are in milliseconds.
func median(all []time.Duration) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return milliseconds(all[len(all)/2])
}

func largest(all []time.Duration) float64 {
	if len(all) == 0 {
		return 0
	}
	return milliseconds(slices.Max(all))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
