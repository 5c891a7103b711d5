package fdstore

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// inFlightLimit is how many descriptors this user may have in socket queues: see
// ErrInFlight. The kernel asks for the limit, and for the capabilities, of the process
// that sends.
func inFlightLimit() int {
	// Version 3 has two sets of 32 capabilities; both that matter are in the first.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	const exempt = 1<<unix.CAP_SYS_RESOURCE | 1<<unix.CAP_SYS_ADMIN
	if err := unix.Capget(&header, &sets[0]); err == nil && sets[0].Effective&exempt != 0 {
		return math.MaxInt
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt // then the kernel will say
	}
	return int(min(limit.Cur, math.MaxInt))
}

// reserve sees to it that n more descriptors may be in flight, and what the queues need
// to be compacted besides: a bundle that used up the limit could not be made
// smaller, because nothing is taken out that is not written again first.
func (b *Bundle) reserve(n int) error {
	const spare = 2 * maxFDs
	over := func() bool {
		slots := 0
		for _, q := range b.queues() {
			slots += q.slots
		}
		return slots > b.limit-n-spare
	}
	if b.limit == math.MaxInt || !over() {
		return nil
	}
	if b.recovering == 0 {
		if err := b.flush(); err != nil {
			return err
		}
		for _, q := range b.packed {
			for rounds := len(q.messages); rounds > 0 && over() && q.slots > q.live; rounds-- {
				if err := b.rewrite(q, q); err != nil {
					return err
				}
			}
		}
	}
	if over() {
		return fmt.Errorf("%w: it has %d, and LimitNOFILE= is %d, of which %d are kept for compaction: raise LimitNOFILE=", ErrInFlight, b.index.live, b.limit, spare)
	}
	return nil
}
