package main

import "time"

// pair is one measurement of each side, one right after the other, in
// nanoseconds: Instar's, and the bare one.
type pair [2]int64

// contest is two ways to do the same thing.
type contest struct {
	ours, bare func() error
	before     func() error // each of them, not measured; nil: nothing
	times      int          // that each is done for one measurement
}

// pairs measures both sides n times. They take turns to go first, so that neither
// always profits from the other's caches.
func (c contest) pairs(n int) ([]pair, error) {
	samples := make([]pair, n)
	for i := range samples {
		sides := [2]func() error{c.ours, c.bare}
		for j := range sides {
			side := (i + j) % 2
			ns, err := c.measure(sides[side])
			if err != nil {
				return nil, err
			}
			samples[i][side] = ns
		}
	}
	return samples, nil
}

// measure returns the nanoseconds of doing it once.
func (c contest) measure(do func() error) (int64, error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	for range c.times {
		if err := do(); err != nil {
			return 0, err
		}
	}
	return time.Since(began).Nanoseconds() / int64(c.times), nil
}
