package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/instar-project/instar/integration/deploy"
	"github.com/instar-project/instar/integration/machine"
	"github.com/instar-project/instar/integration/program"
	"github.com/instar-project/instar/integration/storeproof/members"
)

const (
	clients  = 1000
	roomSize = 10
	reloads  = 10
	restarts = 5
	kills    = 5

	chatPath    = "/opt/chat/chat" // as the unit of the example has it
	chatAddress = "127.0.0.1:7100"
	chatUnit    = "chat.service"
)

// story is what 1,000 clients have counted.
type story struct {
	Clients         int      `json:"clients"`
	Reloads         int      `json:"reloads"`
	Restarts        int      `json:"restarts"`
	Kills           int      `json:"kills"`
	KillsInReload   int      `json:"kills_in_reload"` // of kills, those in the middle of another reload
	Lines           int      `json:"lines"`
	Deliveries      int      `json:"deliveries"`
	ConnectionsLost int      `json:"connections_lost"`
	LinesLost       int      `json:"lines_lost"`
	LinesDuplicated int      `json:"lines_duplicated"`
	Refused         int      `json:"refused"`
	Repeated        int      `json:"lines_repeated"` // with a number the client had, and ignored
	Cut             int      `json:"lines_cut"`      // by a death, likewise
	Newcomers       int      `json:"newcomers"`
	Unwelcomed      int      `json:"newcomers_unwelcomed"` // by a death between accept(2) and the store
	SlowestMS       float64  `json:"slowest_acknowledgement_ms"`
	Failures        []string `json:"failures,omitempty"`

	counts members.Counts
}

// stage is a machine with the chat room in it.
type stage struct {
	machine *machine.Machine
	manager *machine.Manager
	builds  [2]string
	build   int
}

func tellStory(ctx context.Context, m *machine.Machine, builder *deploy.Builder) (*story, error) {
	s := &stage{machine: m, manager: m.System()}
	if err := s.install(ctx, builder); err != nil {
		return nil, err
	}
	program.Say("  chat: %d clients join", clients)
	crowd, err := members.Join(ctx, members.Config{
		Dial: m.Dial, Network: "tcp", Address: chatAddress,
		Members: clients, RoomSize: roomSize, Pause: 1500 * time.Millisecond, Newcomers: 20 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	t := &story{Clients: clients}
	err = s.play(ctx, t)
	program.Say("  chat: everybody falls silent")
	patience, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t.take(crowd.Stop(patience))
	if err == nil {
		err = s.manager.Stop(ctx, chatUnit, "chat.socket")
	}
	return t, err
}

func (t *story) take(c members.Counts) {
	t.counts = c
	t.Lines, t.Deliveries = c.Lines, c.Deliveries
	t.ConnectionsLost, t.LinesLost, t.LinesDuplicated, t.Refused = c.ConnectionsLost, c.LinesLost, c.LinesDuplicated, c.Refused
	t.Repeated, t.Cut, t.Newcomers, t.Unwelcomed = c.Repeated, c.Cut, c.Newcomers, c.Unwelcomed
	t.SlowestMS = milliseconds(float64(c.Slowest))
	t.Failures = c.Failures
}

func (s *stage) install(ctx context.Context, builder *deploy.Builder) (err error) {
	for i := range s.builds {
		if s.builds[i], err = builder.Build(ctx, "examples/chat", fmt.Sprintf("version=v%d", i+1)); err != nil {
			return err
		}
	}
	dir, err := deploy.Source(ctx, "examples/chat")
	if err != nil {
		return err
	}
	for _, name := range []string{"chat.socket", chatUnit} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := s.manager.InstallUnit(name, string(text)); err != nil {
			return err
		}
	}
	if err := s.manager.DaemonReload(ctx); err != nil {
		return err
	}
	if err := s.deploy(); err != nil {
		return err
	}
	return s.manager.Start(ctx, "chat.socket", chatUnit)
}

// deploy puts the other build in place.
func (s *stage) deploy() error {
	s.build = 1 - s.build
	return s.machine.CopyIn(s.builds[s.build], chatPath, 0o755)
}

// play does everything to the service, in random order, at random moments.
func (s *stage) play(ctx context.Context, t *story) error {
	type act func(context.Context, *story) error
	var acts []act
	for _, a := range []struct {
		times int
		what  act
	}{{reloads, s.reload}, {restarts, s.restart}, {kills, s.kill}} {
		for range a.times {
			acts = append(acts, a.what)
		}
	}
	rand.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	for i, what := range acts {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(rand.N(800 * time.Millisecond)):
		}
		if err := what(ctx, t); err != nil {
			return fmt.Errorf("act %d: %w", i+1, err)
		}
		if err := s.manager.WaitProperty(ctx, chatUnit, "ActiveState", "active"); err != nil {
			return fmt.Errorf("act %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *stage) reload(ctx context.Context, t *story) error {
	t.Reloads++
	if err := s.deploy(); err != nil {
		return err
	}
	before, err := s.manager.MainPID(ctx, chatUnit)
	if err != nil {
		return err
	}
	if err := s.manager.Reload(ctx, chatUnit); err != nil {
		return err
	}
	after, err := s.manager.MainPID(ctx, chatUnit)
	if err == nil && after == before {
		err = fmt.Errorf("after a reload the main process is still %d", after)
	}
	return err
}

func (s *stage) restart(ctx context.Context, t *story) error {
	t.Restarts++
	return s.manager.Restart(ctx, chatUnit)
}

// kill ends every process of the unit; every other time somewhere in an upgrade, whose
// systemctl reload may then say that it has failed.
func (s *stage) kill(ctx context.Context, t *story) error {
	t.Kills++
	if t.Kills%2 == 0 {
		t.KillsInReload++
		reloaded := make(chan error, 1)
		go func() { reloaded <- s.manager.Reload(ctx, chatUnit) }()
		defer func() { <-reloaded }()
		time.Sleep(rand.N(60 * time.Millisecond))
	}
	const invocation = "InvocationID"
	before, err := s.manager.Property(ctx, chatUnit, invocation)
	if err != nil {
		return err
	}
	if _, err := s.manager.Systemctl(ctx, "kill", "--kill-whom=all", "--signal=SIGKILL", chatUnit); err != nil {
		return err
	}
	// The dead unit is active until systemd has noticed.
	_, err = s.manager.Wait(ctx, chatUnit, func(p map[string]string) bool {
		return p[invocation] != "" && p[invocation] != before
	}, invocation)
	return err
}
