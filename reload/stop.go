package reload

import (
	"os"

	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/standin"
)

// stopCount counts the SIGTERM and SIGINT that this process has had.
type stopCount struct {
	count int
	first int  // how many of them may be the first one
	main  bool // this process was main when that came
}

// stopSignalled begins the drain of a stop at the first signal, and cuts it short at the
// next one.
func (s *Service) stopSignalled(by os.Signal, signals *stopCount) {
	if by == reloadSignal {
		s.log.Warn("SIGHUP stops this service: an upgrade needs systemd to follow it (Type=notify-reload), and this process was started by hand")
	}
	if signals.count++; signals.count == 1 {
		*signals = stopCount{count: 1, first: 1, main: s.state.Phase.SoleMain()}
		if standin.Seen(signalLag) {
			signals.first = 2 // systemd signals every process, and the stand-in passes it on
		}
		s.step(generation.Event{Kind: generation.StopAsked})
		return
	}
	// When the main process has ended, systemd signals the rest of the unit once more: that
	// is no sign of impatience. So it is for the main process to say.
	if signals.count <= signals.first || !signals.main {
		return
	}
	s.log.Warn("told to stop once more: connections are cut at once")
	for _, old := range s.elders.list() {
		if old.line == nil {
			continue
		}
		if err := old.line.Send(handover.Cut{}); err != nil {
			s.log.Debug("elder", "error", err)
		}
	}
	s.step(generation.Event{Kind: generation.DrainTimedOut})
}
