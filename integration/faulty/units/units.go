// Package units holds the unit files of integration/faulty.
package units

import (
	_ "embed"
	"fmt"
)

// The templates; an instance's name is its port.
var (
	//go:embed faulty@.socket
	Socket string
	//go:embed faulty@.service
	Service string
)

// SlownessVariable says to the service how many times longer its limits are to be than
// on an idle machine; empty: 1.
const SlownessVariable = "INSTAR_SLOWNESS"

// Slow is a drop-in for Service on a machine that is so many times as slow as an idle one.
func Slow(times int) string {
	return fmt.Sprintf("[Service]\nEnvironment=%s=%d\nWatchdogSec=%ds\nTimeoutStartSec=%ds\nTimeoutStopSec=%ds\nTimeoutAbortSec=%ds\n",
		SlownessVariable, times, 3*times, 5*times, 12*times, 2*times)
}
