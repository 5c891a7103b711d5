package core

import (
	"context"
	"os"
	"os/exec"
)

func notifyFigures() []figure {
	return []figure{
		{name: "notify_round_trip", unit: "µs"},
		{name: "notify_send", unit: "µs"},
	}
}

// measureNotify has the probe talk to systemd, or to a socket that is drained.
func measureNotify(ctx context.Context, b *bench, into []figure) error {
	var cmd *exec.Cmd
	if b.site != nil {
		into[0].note = "Send of a STATUS= and Barrier, against sendmsg(2) and the system calls of a barrier, as a service of systemd " + b.site.Image().Systemd
		cmd = b.site.Command(ctx, "systemd-run", "--quiet", "--wait", "--pipe",
			"--service-type=exec", "--property=NotifyAccess=main", probePath, "notify")
	} else {
		into[0].note = "Send of a STATUS= and Barrier, against sendmsg(2) and the system calls of a barrier, to a socket that is drained instead of systemd: " + b.noSite.Error()
		manager, err := openDrainedSocket()
		if err != nil {
			return err
		}
		defer manager.Close()
		cmd = exec.CommandContext(ctx, b.probe, "notify")
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager.address)
	}
	samples, err := probe(cmd)
	if err != nil {
		return err
	}
	if into[0].pairs, err = samples.pairs("round trip", microsecond); err != nil {
		return err
	}
	into[1].pairs, err = samples.pairs("send", microsecond)
	return err
}
