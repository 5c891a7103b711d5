package reload

import (
	"context"
	"errors"
	"sync"

	"github.com/instar-project/instar/internal/verdict"
)

// Verdict says how an upgrade ended:
//
//	type Verdict struct {
//		// Attempt numbers the upgrades of the service, failed ones included, from 1
//		// since systemd has started it.
//		Attempt int
//		// From is the generation that was main, To the one that was to follow. To's PID
//		// is 0 if no process could be started, its Build "" if it did not get as far as
//		// to say.
//		From, To Party
//		// Err is why the upgrade failed; nil: it succeeded. Every local user may read
//		// its text: see Config.PublicReasons. It wraps one of the Err… of this package,
//		// unless the verdict has come from another process.
//		Err error
//		// Words are those of the application (the reason it gave to Refuse, the error of
//		// its Keeper), or the panic of a process that crashed, on one line; "" if there
//		// are none. They may hold secrets, and go to the journal alone: a verdict that
//		// has come from another process has none.
//		Words string
//		// Began is when the reload signal was acted on.
//		Began time.Time
//		// Signalled: the reload signal has asked for the upgrade, or has come while it
//		// was under way. False if the verdict has come from another process.
//		Signalled bool
//		// LeftBehind is what the unit asks for and To was started without, a line each
//		// that begins with the directive: see Command. Only a restart brings it.
//		LeftBehind []string
//		// Killed is how many older generations had not ended in time by then, since
//		// systemd has started the service, and were killed: see Config.EndTimeout.
//		Killed int
//		// Steps are the phases of the upgrade, in order, and how long each took.
//		Steps []Step
//	}
//
// Took returns how long it took as a whole, Ended when it ended, Reason why it failed, Words
// included, and String all of it on one line, Words included.
type Verdict = verdict.Verdict

// Party is one side of an upgrade:
//
//	type Party struct {
//		Generation int // counted from 1 since systemd has started the service
//		PID        int
//		Build      string
//	}
type Party = verdict.Party

// Step is one phase of an upgrade, such as "preparing" or "taking over":
//
//	type Step struct {
//		Phase string
//		Took  time.Duration
//	}
type Step = verdict.Step

// verdicts is what is known of upgrades that have ended.
type verdicts struct {
	mu    sync.Mutex
	last  *Verdict
	given int           // by this process
	next  chan struct{} // closed when the next one is given; nil: none is awaited
}

func (v *verdicts) give(one Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = &one
	v.given++
	if v.next != nil {
		close(v.next)
		v.next = nil
	}
}

// learn takes note of the verdict that made this process main.
func (v *verdicts) learn(one Verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = &one
}

// after returns a channel that is closed once there is a verdict later than now,
// and how many there were.
func (v *verdicts) after() (next <-chan struct{}, count int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.next == nil {
		v.next = make(chan struct{})
	}
	return v.next, v.given
}

func (v *verdicts) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.given
}

// ErrNotMain is the error of Upgrade in a process that is not the main one, or not
// yet, or no longer.
var ErrNotMain = errors.New("reload: this process is not the main process of the service")

// LastVerdict returns the verdict of the last upgrade that this process was a
// part of; ok is false if there was none.
func (s *Service) LastVerdict() (v Verdict, ok bool) {
	s.verdicts.mu.Lock()
	defer s.verdicts.mu.Unlock()
	if s.verdicts.last == nil {
		return Verdict{}, false
	}
	return *s.verdicts.last, true
}

// Upgrade acts as the reload signal does, and waits for the verdict. If an upgrade
// is under way it starts none and waits for the verdict of that one. The error is
// that of ctx, or ErrNotMain; an upgrade that failed is none.
func (s *Service) Upgrade(ctx context.Context) (Verdict, error) {
	if !s.upgradable() {
		return Verdict{}, ErrNotMain
	}
	given, count := s.verdicts.after()
	select {
	case s.asked <- count:
	default: // somebody has asked already
	}
	select {
	case <-given:
		v, _ := s.LastVerdict()
		return v, nil
	case <-s.done:
		if v, ok := s.LastVerdict(); ok && s.verdicts.count() > count {
			return v, nil
		}
		return Verdict{}, ErrNotMain
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
}
