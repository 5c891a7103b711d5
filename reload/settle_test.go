package reload

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// A stand-in that was busy, or had no processor, when it was told to end has passed on
// before what systemd has asked of it until then.
func TestStandInPassesOnWhatIsPending(t *testing.T) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, reloadSignal)
	defer signal.Stop(asked)
	for range 2 {
		standIn, err := startStandIn()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []syscall.Signal{syscall.SIGSTOP, reloadSignal, standInEnds, syscall.SIGCONT} {
			if err := standIn.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		within(t, "the end of the stand-in", func() { endStandIn(standIn) })
		within(t, "the reload signal", func() { <-asked })
	}
}
