package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/instar-project/instar/integration/proof"
	"github.com/instar-project/instar/integration/prove/store/members"
	"github.com/instar-project/instar/integration/stage"
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

// story has the counts of 1,000 clients.
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

// room is the chat room, on its stage.
type room struct {
	*stage.Stage
	releases int
}

func tellStory(ctx context.Context, there *stage.Stage) (*story, error) {
	s := &room{Stage: there}
	if err := s.install(ctx); err != nil {
		return nil, err
	}
	proof.Say("  chat: %d clients join", clients)
	crowd, err := members.Join(ctx, members.Config{
		Dial: s.Dial, Network: "tcp", Address: chatAddress,
		Members: clients, RoomSize: roomSize, Pause: 1500 * time.Millisecond, Newcomers: 20 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	t := &story{Clients: clients}
	err = s.play(ctx, t)
	proof.Say("  chat: everybody falls silent")
	patience, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t.take(crowd.Stop(patience))
	if err == nil {
		err = s.Manager.Stop(ctx, chatUnit, "chat.socket")
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

func (s *room) install(ctx context.Context) error {
	units, err := stage.Units(ctx, "examples/chat")
	if err != nil {
		return err
	}
	if err := s.Install(ctx, units); err != nil {
		return err
	}
	if err := s.deploy(ctx); err != nil {
		return err
	}
	return s.Manager.Start(ctx, "chat.socket", chatUnit)
}

// deploy puts the other build in place.
func (s *room) deploy(ctx context.Context) error {
	s.releases++
	return s.Release(ctx, chatPath, "examples/chat", fmt.Sprintf("version=v%d", s.releases%2+1))
}

// play does everything to the service, in random order, at random moments.
func (s *room) play(ctx context.Context, t *story) error {
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
		if err := stage.Pause(ctx, rand.N(800*time.Millisecond)); err != nil {
			return err
		}
		if err := what(ctx, t); err != nil {
			return fmt.Errorf("act %d: %w", i+1, err)
		}
		if err := s.Manager.WaitProperty(ctx, chatUnit, "ActiveState", "active"); err != nil {
			return fmt.Errorf("act %d: %w", i+1, err)
		}
	}
	return nil
}

func (s *room) reload(ctx context.Context, t *story) error {
	t.Reloads++
	if err := s.deploy(ctx); err != nil {
		return err
	}
	before, err := s.Manager.MainPID(ctx, chatUnit)
	if err != nil {
		return err
	}
	if err := s.Manager.Reload(ctx, chatUnit); err != nil {
		return err
	}
	after, err := s.Manager.MainPID(ctx, chatUnit)
	if err == nil && after == before {
		err = fmt.Errorf("after a reload the main process is still %d", after)
	}
	return err
}

func (s *room) restart(ctx context.Context, t *story) error {
	t.Restarts++
	return s.Manager.Restart(ctx, chatUnit)
}

// kill ends every process of the unit; every other time somewhere in an upgrade, whose
// systemctl reload may then say that it has failed.
func (s *room) kill(ctx context.Context, t *story) error {
	t.Kills++
	if t.Kills%2 == 0 {
		t.KillsInReload++
		reloaded := make(chan error, 1)
		go func() { reloaded <- s.Manager.Reload(ctx, chatUnit) }()
		defer func() { <-reloaded }()
		time.Sleep(rand.N(60 * time.Millisecond))
	}
	const invocation = "InvocationID"
	before, err := s.Manager.Property(ctx, chatUnit, invocation)
	if err != nil {
		return err
	}
	if _, err := s.Manager.Systemctl(ctx, "kill", "--kill-whom=all", "--signal=SIGKILL", chatUnit); err != nil {
		return err
	}
	// The dead unit is active until systemd has noticed.
	_, err = s.Manager.Wait(ctx, chatUnit, func(p map[string]string) bool {
		return p[invocation] != "" && p[invocation] != before
	}, invocation)
	return err
}
