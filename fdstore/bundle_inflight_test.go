package fdstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

const limit = 2000

// limited makes this an unprivileged process with a limit of its own.
func limited() error {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		// And no capabilities. The limit is a user's, so the test has a user of its
		// own.
		if err := syscall.Setuid(30_000 + os.Getpid()%30_000); err != nil {
			return err
		}
	}
	return nil
}

// helpLimit fills a bundle to LimitNOFILE=, empties it at random, and fills it again.
func helpLimit() error {
	if err := limited(); err != nil {
		return err
	}
	b, err := inherited()
	if err != nil {
		return err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	var ids []ID
	for range 10 {
		for {
			id, err := b.Add(fd, nil)
			if errors.Is(err, errInFlight) && strings.Contains(err.Error(), "LimitNOFILE=") {
				break
			}
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		if len(ids) < limit-3*maxFDs {
			return fmt.Errorf("only %d of %d were added", len(ids), limit)
		}
		rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		for _, id := range ids[len(ids)/2:] {
			if err := b.Remove(id); err != nil {
				return err
			}
		}
		ids = ids[:len(ids)/2]
	}
	return nil
}

// At the limit of descriptors in flight there is an error that says so, and a bundle
// that has reached it can be made smaller, and filled again.
func TestInFlightLimit(t *testing.T) {
	testkit.CheckLeaks(t)
	var held []int
	closeHeld(t, &held)
	bundleOf(t, &held, 0).Close()
	if out, err := helper(t, "limit", held).Output(); err != nil {
		t.Error(err, string(out))
	}
	if n := len(recovered(t, bundleOf(t, &held, 0))); n < 500 {
		t.Errorf("%d are left", n)
	}
}

// helpLimitOfTwo fills two bundles in turns, to the limit that they share, with as many changes
// as it takes to compact both.
func helpLimitOfTwo() error {
	if err := limited(); err != nil {
		return err
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	var bundles [2]*Bundle
	var ids [2][]ID
	total := new(atomic.Int64)
	for i := range bundles {
		var p parts
		if _, err := p.create(); err != nil {
			return err
		}
		bundles[i], err = openBundle("test", p, sdstore.NewGauge(total), func() (*queue, error) { return nil, errors.New("no more queues") })
		if err != nil {
			return err
		}
	}
	for round := range 20 {
		i := round % 2
		for {
			id, err := bundles[i].Add(fd, nil)
			if errors.Is(err, ErrFull) && strings.Contains(err.Error(), "kept for compaction") {
				break
			}
			if err != nil {
				return fmt.Errorf("round %d: %w", round, err) // the kernel's: there is nothing to compact with
			}
			ids[i] = append(ids[i], id)
		}
		if n := bundles[0].Len() + bundles[1].Len(); n < limit-3*maxFDs {
			return fmt.Errorf("only %d of %d were added", n, limit)
		}
		half := len(ids[i]) / 2
		if err := bundles[i].Remove(ids[i][half:]...); err != nil {
			return err
		}
		ids[i] = ids[i][:half]
	}
	return nil
}

// The limit is that of all bundles together: none is filled so far that another one could
// not be compacted any more.
func TestInFlightLimitOfTwo(t *testing.T) {
	testkit.CheckLeaks(t)
	if out, err := helper(t, "limit-of-two", nil).Output(); err != nil {
		t.Error(err, string(out))
	}
}
