package reload

import "sync/atomic"

// Snapshot is how the service stands, as this process knows it.
type Snapshot struct {
	Party // this process
	// Phase is that of Service.Phase.
	Phase string
	// Main: this process holds itself for the main process, and does not doubt it.
	Main bool
	// Connections is how many this process has open.
	Connections int
	// Draining are the older generations, the oldest first; as this process knows them: in a
	// process that is not the main one, those of when it last was.
	Draining []Draining
	// Killed is how many older generations did not end in time since systemd has
	// started the service, and were killed; see Config.EndTimeout.
	Killed int
	// Unsettled is why systemd may not know the main process as its child yet, so that
	// systemctl stop would end it without a drain; "" if it does, as far as is known.
	Unsettled string
	// StoreUsed is how many entries the store has, of StoreMax. StoreMax is 0 if
	// the unit has no store.
	StoreUsed, StoreMax int
	// Keeps: the service has a Keeper, and so needs a store.
	Keeps bool
	// Attempts is how many upgrades have begun since systemd has started the
	// service, those that have failed and one under way included. The attempt
	// under way, or else the last, has this number.
	Attempts int
	// Verdict is that of the last upgrade that has ended; its Attempt is 0 if there
	// was none.
	Verdict Verdict
}

// Snapshot says how the service stands. To be told when that has changed, see Watch.
func (s *Service) Snapshot() Snapshot {
	phase := s.currentPhase()
	now := Snapshot{
		Party:       s.self(),
		Phase:       phase.String(),
		Main:        phase.SoleMain(),
		Connections: s.Connections(),
		Keeps:       s.keeping.keeps(),
		Draining:    s.draining(),
		Killed:      int(s.shown.killed.Load()),
		Unsettled:   s.unsettledBecause(),
		Attempts:    int(s.shown.attempts.Load()),
	}
	now.StoreUsed, now.StoreMax = s.keeping.used()
	now.Verdict, _ = s.LastVerdict()
	return now
}

// self is this process.
func (s *Service) self() Party {
	return Party{Generation: s.generation, PID: s.pid, Build: s.config.Build}
}

// shown is what the goroutine of Serve lets others see of itself.
type shown struct {
	attempts atomic.Int64
	killed   atomic.Int64
	watchers
}
