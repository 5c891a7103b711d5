// Package h2idle upgrades a service under many connections of HTTP/2 over a network with a round
// trip, each idle for longer than httpdrain lingers, again and again. An HTTP/1.1 server cannot close such a connection without losing a POST now
// and then; GOAWAY can. The report is one JSON object, in the last line.
package h2idle

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/stage"
)

// options are the plan.
type options struct {
	connections, upgrades int
	period, roundTrip     time.Duration // of each connection's requests; of the network
}

// report is the result.
type report struct {
	Systemd     string      `json:"systemd"`
	Upgrades    int         `json:"upgrades"`
	Connections int         `json:"connections"` // that were made
	Requests    int         `json:"requests"`    // GET and POST in turn, all over HTTP/2
	Failed      int         `json:"failed"`
	Slowest     float64     `json:"predecessor_seconds_max"` // from the reload to the predecessor's end
	Seconds     float64     `json:"seconds"`
	Problems    proof.Lines `json:"problems"`
}

// Proof is make h2idle.
func Proof(flags *flag.FlagSet) proof.Run {
	var o options
	flags.IntVar(&o.connections, "connections", 500, "how many at a time")
	flags.IntVar(&o.upgrades, "upgrades", 20, "how many")
	flags.DurationVar(&o.period, "period", 6*time.Second, "of the requests on each connection")
	flags.DurationVar(&o.roundTrip, "roundtrip", 40*time.Millisecond, "of the network")
	return func(ctx context.Context, b *stage.Builder) error {
		return proof.On(ctx, machine.V257, b, o.play)
	}
}

// builds linger as services do that say nothing about it.
var builds = []site.Build{
	{Name: "even", Stamps: []string{"linger=0s", "drainTimeout=30s"}},
	{Name: "odd", Stamps: []string{"linger=0s", "drainTimeout=30s"}},
}

func (o options) play(ctx context.Context, there *stage.Stage) error {
	s, err := site.Install(ctx, there, builds...)
	if err != nil {
		return err
	}
	r := report{Systemd: s.Image().Systemd}
	begin := time.Now()
	if err := o.upgradeAll(ctx, s, &r); err != nil {
		r.Problems.Add("%v", err)
	}
	r.Seconds = time.Since(begin).Round(100 * time.Millisecond).Seconds()
	return proof.Conclude(os.Stdout, r, r.Problems)
}

// upgradeAll makes the upgrades under load, and adds problems to the report.
func (o options) upgradeAll(ctx context.Context, s *site.Site, r *report) error {
	const port = 8081
	lane, err := s.Lane(ctx, port, builds[0].Name)
	if err != nil {
		return err
	}
	none := load.Clients{Count: -1}
	l, err := load.Start(ctx, load.Config{
		Dial:  load.Far(s.Dial, o.roundTrip),
		Web:   []load.Endpoint{{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", port)}},
		Short: none, KeepAlive: none, Thinking: -1,
		HTTP2: load.Clients{Count: o.connections, Rate: float64(o.connections) / o.period.Seconds()},
	})
	if err != nil {
		return err
	}
	proof.Say("%d connections, a request on each every %v, %v there and back, %d upgrades", o.connections, o.period, o.roundTrip, o.upgrades)
	err = o.upgradeEach(ctx, lane, r)
	counts := l.Stop()
	r.Connections, r.Requests, r.Failed = counts.Connections, counts.Requests, counts.Failed
	r.Problems.Expect(r.Failed == 0, "%d of %d requests failed", r.Failed, r.Requests)
	for _, f := range counts.Failures {
		r.Problems.Add("%s", f.Reason)
	}
	return err
}

func (o options) upgradeEach(ctx context.Context, lane *site.Lane, r *report) error {
	// All connections are there, and idle, and no two upgrades find them the same.
	for n := 1; n <= o.upgrades; n++ {
		if err := stage.Pause(ctx, o.period+rand.N(time.Second)); err != nil {
			return err
		}
		if err := lane.Deploy(builds[n%len(builds)].Name); err != nil {
			return err
		}
		if err := lane.Reload(ctx); err != nil {
			return err
		}
		began := time.Now()
		who, err := lane.Ask(ctx)
		if err != nil {
			return err
		}
		if who.Generation != n+1 {
			return fmt.Errorf("after %d upgrades generation %d serves", n, who.Generation)
		}
		if err := stage.Until(ctx, "the predecessor ends", 5*time.Millisecond, func() (bool, error) {
			processes, err := lane.Processes()
			return len(processes) == 1, err
		}); err != nil {
			return err
		}
		r.Upgrades++
		r.Slowest = max(r.Slowest, time.Since(began).Round(10*time.Millisecond).Seconds())
	}
	return nil
}
