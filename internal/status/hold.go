package status

import (
	"sync"
	"time"

	"github.com/instar-project/instar/reload"
)

// succession is how long a process that has handed over waits for its successor
// to take the name. One that shows no status never does.
const succession = time.Second

// hold keeps this process from its end while it is main and then, at a handover,
// for succession or until let is called; for the end of the service it does not. It
// runs beside the goroutine that talks to the bus, which may hang.
func hold(svc *reload.Service) (let func()) {
	done := svc.Begin()
	released := make(chan struct{})
	changes, stop := svc.Watch()
	go func() {
		defer done()
		defer stop()
		var late <-chan time.Time
		for {
			now := svc.Snapshot()
			switch {
			case now.Phase == stopping:
				return
			case now.Main:
				late = nil
			case late == nil:
				late = time.After(succession)
			}
			select {
			case <-changes:
			case <-late:
				return
			case <-released:
				return
			case <-svc.Done():
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(released) })
}

// stopping is the phase of a process whose service ends: it has no successor.
const stopping = "stopping"
