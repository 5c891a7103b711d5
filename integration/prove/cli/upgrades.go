package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/instar-project/instar/integration/stage"
	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/reload"
)

const (
	upgrades   = 20
	takenBack  = 5   // of those
	patience   = 200 // upgrades, until there were enough polls
	everyFifth = upgrades / takenBack
)

// upgradeAll upgrades the service, and goes on until there were enough polls; then once
// each way by the command line.
func (s *service) upgradeAll(ctx context.Context, p *shown, polls func() int) error {
	generation := 1
	for n := 1; n <= upgrades || polls() < leastPolls && n <= patience; n++ {
		back := n%(everyFifth) == 0 && n <= upgrades
		if err := s.release(ctx, n, back); err != nil {
			return err
		}
		_, err := s.Run(ctx, "systemctl", "reload", unit)
		p.upgrades++
		code := exitCode(err)
		if back {
			p.badExits = append(p.badExits, code)
		} else {
			p.goodExits = append(p.goodExits, code)
			generation++
		}
		if back != (code == 1) || !back != (code == 0) {
			p.failures = append(p.failures, fmt.Sprintf("upgrade %d: systemctl reload exits with %d; the journal:\n%s", n, code, s.journal(ctx)))
		}
		if err := s.settled(ctx, p, generation, back); err != nil {
			return err
		}
	}
	for i, back := range []bool{false, true} {
		if err := s.release(ctx, patience+1+i, back); err != nil {
			return err
		}
		said, err := s.Run(ctx, instar, "upgrade", unit)
		p.upgrades++
		want, outcome := 0, " succeeded in "
		if back {
			want, outcome = 1, " failed after "
		} else {
			generation++
		}
		if code := exitCode(err); code != want || !strings.Contains(said, outcome) || strings.Count(said, "\n") != 1 {
			p.failures = append(p.failures, fmt.Sprintf("instar upgrade exits with %d, want %d: %q, %v", code, want, said, err))
		}
		if err := s.settled(ctx, p, generation, back); err != nil {
			return err
		}
	}
	restarts, err := s.Manager.Property(ctx, unit, "NRestarts")
	if err == nil && restarts != "0" {
		p.failures = append(p.failures, "systemd has restarted the service: NRestarts="+restarts)
	}
	return err
}

// journal is the end of the service's log, with systemd's lines on it.
func (s *service) journal(ctx context.Context) string {
	text, err := s.Run(ctx, "journalctl", "--no-pager", "--output=short-precise", "--lines=15", "--unit="+unit)
	if err != nil {
		return err.Error()
	}
	return text
}

// release deploys another build: one that is good, or one that dies when it has been
// the main process for a while, has the name on the bus, and has to be taken back.
func (s *service) release(ctx context.Context, n int, dies bool) error {
	stamps := []string{fmt.Sprintf("version=v%d", n%2+1)}
	if dies {
		stamps = append(stamps, "fault=die", "dieAfter=100ms", "probation=5s")
	}
	return s.deploy(ctx, stamps...)
}

// settled waits until the upgrade is over and generation serves, and checks that it
// was taken back if it was to be: it has failed after the takeover had begun. (The
// successor dies only once it is the main process. Its predecessor may not have got as
// far as "proving" by then, if systemd is slow to confirm.)
func (s *service) settled(ctx context.Context, p *shown, generation int, back bool) error {
	now, err := s.serving(ctx, generation)
	if err != nil {
		p.failures = append(p.failures, fmt.Sprintf("upgrade %d: %v", p.upgrades, err))
		return err
	}
	taken := now.Verdict.Err != nil && slices.ContainsFunc(now.Verdict.Steps, func(step reload.Step) bool { return step.Phase == "taking over" })
	if taken {
		p.takenBack++
	}
	if taken != back {
		p.failures = append(p.failures, fmt.Sprintf("upgrade %d: %v", p.upgrades, now.Verdict))
	}
	return nil
}

// serving waits until the main process is of that generation, with nothing under way.
func (s *service) serving(ctx context.Context, generation int) (now status.State, err error) {
	client, err := s.bus.Client(busName)
	if err != nil {
		return now, err
	}
	late, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var unknown error
	err = stage.Until(late, fmt.Sprintf("generation %d serves", generation), 10*time.Millisecond, func() (bool, error) {
		now, unknown = client.State(ctx)
		return unknown == nil && now.Generation == generation && now.Phase == "serving" && now.MainPID != 0, nil
	})
	if err != nil {
		err = fmt.Errorf("%w; it is generation %d, %s (%v)", err, now.Generation, now.Phase, unknown)
	}
	return now, err
}
