package reload

import (
	"fmt"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/handover"
	"github.com/instar-project/instar/internal/sdstore"
)

// Keep makes k one of the service's Keepers. Call it before Serve.
//
// Each Keeper has a part of the store of its own, by its name. A library takes the name of
// its package, such as "ticketkeys"; the application takes one of its own, or "". A name is up to
// 64 bytes of printable ASCII without ':' and '/', and the same in every build: entries of a
// name that no Keeper has any more stay in the store, and are logged at each start.
//
// Keepers adopt in the order of Keep, one after the other, and park in reverse. If one fails
// to adopt, those before it park. If one fails to park, the others park all the same, and
// and all that have parked adopt again if the service goes on.
//
// It is an error to give two Keepers one name, or to call Keep after Serve or Close.
func (s *Service) Keep(name string, k Keeper) error {
	err := sdstore.CheckKeeper(name)
	switch {
	case err != nil:
		err = fmt.Errorf("reload: a Keeper: %w", err)
	case k == nil:
		err = fmt.Errorf("reload: the Keeper %q is nil", name)
	case s.served.Load():
		err = fmt.Errorf("reload: the Keeper %q comes too late: call Keep before Serve: %w", name, ErrServed)
	default:
		err = s.keeping.add(name, k)
	}
	if err != nil {
		return s.refuse(err)
	}
	return nil
}

// openKeeping opens the store with the entries that systemd has passed; those of a predecessor
// come later.
func (s *Service) openKeeping() (err error) {
	s.keeping, err = openKeeping(s.log, s.config.ReadyTimeout, sdstore.Config{
		Entries:  s.sockets.Claim(sdstore.Reserved),
		Notifier: s.notifier,
		Sockets:  s.sockets.Names(),
		Storing: func(fresh []activation.Entry) {
			m := handover.Stored{}
			var fds []int
			for _, e := range fresh {
				m.Names, fds = append(m.Names, e.Name), append(fds, e.FD)
			}
			s.tell(m, fds...)
		},
		Removing: func(names []string) { s.tell(handover.Removed{Names: names}) },
	})
	if err != nil {
		return err
	}
	if s.predecessor != nil {
		s.keeping.origin = FromUpgrade
	} else {
		s.keeping.findOrigin()
	}
	return nil
}
