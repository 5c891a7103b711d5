package reload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/generation"
	"github.com/instar-project/instar/internal/standin"
	"github.com/instar-project/instar/notify"
	"github.com/instar-project/instar/reload/internal/intake"
)

// Service is this process's generation of the service. Make it with Open.
// Its methods may be called from several goroutines.
type Service struct {
	config   Config
	log      *slog.Logger
	sockets  *activation.Set
	notifier *notify.Notifier

	intake   *intake.Intake
	launcher launcher

	pid         int
	generation  int  // counted from 1 since the unit was started
	byHand      bool // no supervisor would follow an upgrade, and SIGHUP stops
	keeping     *keeping
	predecessor *predecessor // nil: systemd has started this process

	reloads    chan os.Signal
	preflights chan struct{} // holds one for the preflight under way
	served     atomic.Bool   // Serve or Close was called
	phase      atomic.Uint32 // a generation.Phase, for Phase

	elders elders        // older generations that drain
	mains  mains         // the processes that hear of this one's drain
	met    chan struct{} // there is a new one among the mains

	mu      sync.Mutex
	given   []io.Closer // results of the getters
	refusal error       // the last error that a getter returned

	shell
}

// shell runs the state machine: it has its state, and the calls under way around
// it. Only the goroutine of Serve touches it, but for events and done.
type shell struct {
	state     generation.State
	events    chan posted
	done      chan struct{} // closed when no events are taken any more
	asked     chan int      // an upgrade is wanted: the reload signal by another way
	verdicts  verdicts
	followUps []generation.Event

	servers   []*serving
	reserve   reserve
	starting  *starting  // the start of a successor that is under way; nil: none
	starts    int        // how many there were in this attempt
	successor *successor // the last one started
	attempt   int        // how many upgrades this line of main processes has tried
	upgrade   upgrade    // the last one
	drain     *drain     // the drain under way
	watchdog  context.CancelFunc
	settled   bool // systemd knows this process, a successor, as its child, or is about to
	standIns  chan naming
	spare     spare

	startStandIn func() (*standin.Process, error) // standin.Start

	settling   atomic.Pointer[error] // why systemd may not know it as its child; nil: no reason
	outcomes   chan started          // of a start
	pulse      chan struct{}         // taken by the loop, as a sign of life
	unname     context.CancelFunc    // ends the wait for MAINPID=successor to be sent
	named      time.Time             // when systemd had read that
	hangup     time.Duration         // when the reload signal came last, on CLOCK_MONOTONIC
	result     error
	handedOver atomic.Bool // the successor is main, and this process drains or has ended
	signalled  bool        // the reload signal has come since the last verdict
	tookBack   bool        // systemd was told that this process is main again
	shown      shown
}

// posted is an event with its source: a successor, a drain, the message of a
// takeover; nil: none of these.
type posted struct {
	generation.Event
	from any
}

// drain is one period of draining.
type drain struct {
	cancel   context.CancelFunc
	deadline time.Time
	sockets  map[string]bool // that the application had open when it began
}

func (sh *shell) init() {
	sh.events = make(chan posted)
	sh.done = make(chan struct{})
	sh.asked = make(chan int, 1)
	sh.standIns = make(chan naming)
	sh.outcomes = make(chan started)
	sh.pulse = make(chan struct{})
}

// post hands an event to the goroutine of Serve. It reports false if that has ended.
func (sh *shell) post(from any, e generation.Event) bool {
	select {
	case sh.events <- posted{e, from}:
		return true
	case <-sh.done:
		return false
	}
}

// stale reports whether an event comes from a successor or a drain that is not
// the present one.
func (sh *shell) stale(p posted) bool {
	switch from := p.from.(type) {
	case *successor:
		return from != sh.successor
	case *drain:
		return from != sh.drain
	}
	return false
}

func (s *Service) currentPhase() generation.Phase { return generation.Phase(s.phase.Load()) }

// release closes all that this process holds.
func (s *Service) release() error {
	signal.Stop(s.reloads)
	s.flushNotifier()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.given {
		c.Close()
	}
	s.given = nil
	if s.predecessor != nil {
		s.predecessor.line.Close()
	}
	if err := errors.Join(s.keeping.close(), s.sockets.Close(), s.notifier.Close()); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	return nil
}

// flushNotifier lets posted messages leave before their sender ends: systemd
// ignores messages from a process that has exited.
func (s *Service) flushNotifier() {
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.notifier.Flush(ctx); err != nil {
		s.log.Error("systemd was not told", "error", err)
	}
}

func given[C io.Closer](s *Service, c C) C {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, c)
	return c
}
