package fdstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// helpLimit is an unprivileged process that fills a bundle to LimitNOFILE=, empties it
// at random, and fills it again.
func helpLimit() error {
	const limit = 2000
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		// And no capabilities. The limit is a user's, so it is one that nobody else is.
		if err := syscall.Setuid(30_000 + os.Getpid()%30_000); err != nil {
			return err
		}
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
			if errors.Is(err, ErrInFlight) && strings.Contains(err.Error(), "LimitNOFILE=") {
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
	noLeaks(t)
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
