package status

import (
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"
)

// tenure is when this process became the main process; see the property MainSinceUSec.
type tenure struct{ usec atomic.Uint64 }

// follow takes note of it, until svc is over. It does so beside the goroutine that
// talks to the bus, which may not be there.
func (t *tenure) follow(svc *reload.Service) {
	changes, stop := svc.Watch()
	defer stop()
	for main := false; ; {
		now := svc.Snapshot()
		if now.Main && !main {
			t.usec.Store(verdict.USec(time.Now()))
		}
		main = now.Main
		select {
		case <-changes:
		case <-svc.Done():
			return
		}
	}
}
