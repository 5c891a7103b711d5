package main

import (
	"context"
	"os"
	"os/exec"
)

// busyVariable makes a process of this program one that only keeps a processor busy.
const busyVariable = "INSTAR_FAULTS_BUSY"

// keepBusy runs n busy loops, as processes of their own: one among many is what a
// service on a full machine is. They end when ctx does or idle is called.
func keepBusy(ctx context.Context, n int) (idle func()) {
	ctx, idle = context.WithCancel(ctx)
	for range n {
		cmd := exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Env = append(os.Environ(), busyVariable+"=1")
		if cmd.Start() == nil {
			go cmd.Wait()
		}
	}
	return idle
}

// beBusy ends this process when whoever has started this process has gone.
func beBusy() {
	for parent := os.Getppid(); os.Getppid() == parent; {
	}
	os.Exit(0)
}
