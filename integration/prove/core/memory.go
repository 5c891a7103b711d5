package core

import (
	"context"
	"fmt"
	"os/exec"
)

func memoryFigures() []figure {
	return []figure{{name: "resident_memory", unit: "MB", target: target{more: 1}}}
}

const (
	processes = 9    // of each, one after the other
	requests  = 5000 // answered before its memory is looked at
	clients   = 4    // connections they come on
)

// measureMemory compares processes that have answered the same requests.
func measureMemory(ctx context.Context, b *bench, into []figure) error {
	manager, err := openDrainedSocket()
	if err != nil {
		return err
	}
	defer manager.Close()
	var anon, file []pair
	for range processes {
		cmd, addresses, done, err := handOut(ctx, b.web, nil, []string{"http"})
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+manager.address)
		ours, err := memoryOf(ctx, cmd, addresses[0])
		done()
		if err != nil {
			return err
		}
		bare, err := memoryOf(ctx, exec.CommandContext(ctx, b.plainweb, "127.0.0.1:0"), "")
		if err != nil {
			return err
		}
		anon = append(anon, pair{ours.anon, bare.anon})
		file = append(file, pair{ours.file, bare.file})
		into[0].pairs = append(into[0].pairs, pair{ours.anon + ours.file, bare.anon + bare.file})
	}
	into[0].note = fmt.Sprintf("RssAnon + RssFile after %d requests, on this host; of the difference %+.3g MB are anonymous and %+.3g MB are pages of the binary",
		requests, summarize(each(anon, pair.difference)).median, summarize(each(file, pair.difference)).median)
	return nil
}
