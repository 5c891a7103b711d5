// Package limits has the limits that hold where nothing else is said: those of package
// reload, which the units of a service have to leave room for.
package limits

import "time"

// ReadyTimeout and DrainTimeout leave room within the 90 s that systemd allows by default
// for a start, a reload and a stop.
const (
	ReadyTimeout = 30 * time.Second
	DrainTimeout = 30 * time.Second
)

const (
	// Standby is long enough for a release that dies in its first moments.
	Standby = 3 * time.Second
	// EndTimeout is long for a program that only has to clean up.
	EndTimeout = 15 * time.Second
	// Linger is long for a request that is on its way.
	Linger = time.Second
	// MaxDraining is how many older generations may drain at the same time.
	MaxDraining = 4
)
