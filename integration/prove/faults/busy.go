package faults

import (
	"context"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// busyVariable makes a process of this program one that only keeps a processor busy.
const busyVariable = "INSTAR_FAULTS_BUSY"

// keepBusy runs n busy loops, as processes of their own: a service on a full
// machine is one process among many. They end when ctx does or idle is called.
func keepBusy(ctx context.Context, n int) (idle func()) {
	ctx, idle = context.WithCancel(ctx)
	for range n {
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "faults")
		cmd.Env = append(os.Environ(), busyVariable+"=1")
		if cmd.Start() == nil {
			go cmd.Wait()
		}
	}
	return idle
}

// beBusy keeps a processor busy until the parent of this process has gone.
func beBusy() {
	for parent := os.Getppid(); os.Getppid() == parent; {
	}
	os.Exit(0)
}

// slowness is how many times longer than on an idle machine the limits of the service
// are.
var slowness atomic.Int64

func init() { slowness.Store(1) }

// inService is d as the service has it.
func inService(d time.Duration) time.Duration { return d * time.Duration(slowness.Load()) }
