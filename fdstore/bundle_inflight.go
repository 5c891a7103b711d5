package fdstore

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// inFlightLimit is how many descriptors this user may have in socket queues: see
// errInFlight. The kernel asks for the limit, and for the capabilities, of the process
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

// slots is how many descriptors the queues keep open.
func (b *Bundle) slots() int {
	n := b.young.slots
	for _, q := range b.packed {
		n += q.slots
	}
	return n
}

// spare is how many descriptors two bundles have in flight twice while they are compacted: a
// bundle that used up the limit could not be made smaller, because nothing is taken out that
// is not written again first.
const spare = 2 * maxFDs

// ceiling is how many descriptors this bundle may have in flight, beside those of the
// service's other bundles and the spare ones.
func (b *Bundle) ceiling() int { return b.limit - spare - (b.gauge.All() - b.slots()) }

// reserve sees to it that n more descriptors may be in flight.
func (b *Bundle) reserve(n int) error {
	over := func() bool { return b.slots() > b.ceiling()-n }
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
		return fmt.Errorf("%w: the bundles have %d, and LimitNOFILE= is %d, of which %d are kept for compaction: raise LimitNOFILE=", errInFlight, b.gauge.All(), b.limit, spare)
	}
	return nil
}
