// Idleproof is make h2idle: many connections of HTTP/2 over a network with a round trip,
// each idle for longer than httpdrain lingers, while the service is upgraded again and
// again. An HTTP/1.1 server cannot close such a connection without losing a POST now
// and then; GOAWAY can. The report is one JSON object, in the last line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/faulty/site"
	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/program"
)

// proof is what to do.
type proof struct {
	connections, upgrades int
	period, roundTrip     time.Duration // of each connection's requests; of the network
}

// report is what came of it.
type report struct {
	Systemd     string   `json:"systemd"`
	Upgrades    int      `json:"upgrades"`
	Connections int      `json:"connections"` // that were made
	Requests    int      `json:"requests"`    // GET and POST in turn, all over HTTP/2
	Failed      int      `json:"failed"`
	Slowest     float64  `json:"predecessor_seconds_max"` // from the reload to the predecessor's end
	Seconds     float64  `json:"seconds"`
	Problems    []string `json:"problems"`
}

func main() {
	var p proof
	flag.IntVar(&p.connections, "connections", 500, "how many at a time")
	flag.IntVar(&p.upgrades, "upgrades", 20, "how many")
	flag.DurationVar(&p.period, "period", 6*time.Second, "of the requests on each connection")
	flag.DurationVar(&p.roundTrip, "roundtrip", 40*time.Millisecond, "of the network")
	flag.Parse()
	program.Main("h2idle", p.run)
}

// builds linger as services do that say nothing about it.
var builds = []site.Build{
	{Name: "even", Stamps: []string{"linger=0s", "drainTimeout=30s"}},
	{Name: "odd", Stamps: []string{"linger=0s", "drainTimeout=30s"}},
}

func (p proof) run(ctx context.Context) (err error) {
	builder, err := deploy.NewBuilder()
	if err != nil {
		return err
	}
	defer builder.Close()
	binaries, err := site.Compile(ctx, builder, builds...)
	if err != nil {
		return err
	}
	program.Say("booting systemd %s (the first time its image is built, which takes a minute)", machine.V257)
	s, err := site.Open(ctx, machine.V257, binaries)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r := report{Systemd: s.Machine.Image().Systemd, Problems: []string{}}
	begin := time.Now()
	if err := p.upgradeAll(ctx, s, &r); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	r.Seconds = time.Since(begin).Round(100 * time.Millisecond).Seconds()
	for _, problem := range r.Problems {
		fmt.Printf("Not as it should be: %s.\n", problem)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	if len(r.Problems) > 0 {
		return errors.New("not all was as it should be: see the report")
	}
	return nil
}

// upgradeAll makes the upgrades under load, and adds what went wrong to the report.
func (p proof) upgradeAll(ctx context.Context, s *site.Site, r *report) error {
	const port = 8081
	lane, err := s.Lane(ctx, port, builds[0].Name)
	if err != nil {
		return err
	}
	none := load.Clients{Count: -1}
	l, err := load.Start(ctx, load.Config{
		Dial:  load.Far(s.Machine.Dial, p.roundTrip),
		Web:   []load.Endpoint{{Network: "tcp", Address: fmt.Sprintf("127.0.0.1:%d", port)}},
		Short: none, KeepAlive: none, Thinking: -1,
		HTTP2: load.Clients{Count: p.connections, Rate: float64(p.connections) / p.period.Seconds()},
	})
	if err != nil {
		return err
	}
	program.Say("%d connections, a request on each every %v, %v there and back, %d upgrades", p.connections, p.period, p.roundTrip, p.upgrades)
	err = p.upgradeEach(ctx, lane, r)
	counts := l.Stop()
	r.Connections, r.Requests, r.Failed = counts.Connections, counts.Requests, counts.Failed
	if r.Failed > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d of %d requests failed", r.Failed, r.Requests))
	}
	for _, f := range counts.Failures {
		r.Problems = append(r.Problems, f.Reason)
	}
	return err
}

func (p proof) upgradeEach(ctx context.Context, lane *site.Lane, r *report) error {
	// All connections are there, and idle, and no two upgrades find them the same.
	for n := 1; n <= p.upgrades; n++ {
		if err := pause(ctx, p.period+rand.N(time.Second)); err != nil {
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
		for {
			processes, err := lane.Processes()
			if err != nil {
				return err
			}
			if len(processes) == 1 {
				break
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		r.Upgrades++
		r.Slowest = max(r.Slowest, time.Since(began).Round(10*time.Millisecond).Seconds())
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
