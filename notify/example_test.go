package notify_test

import (
	"context"
	"fmt"
	"log"
	"syscall"
	"time"

	"github.com/instar-project/instar/notify"
)

// A service that says when it is ready, and works by hand as well: outside systemd
// n is nil, and every call does nothing.
func Example() {
	n, err := notify.Take()
	if err != nil {
		log.Print(err)
		return
	}
	defer n.Close()
	// … listen, load …
	if err := n.Send(notify.Ready, notify.Status("serving")); err != nil {
		log.Print(err)
	}
	fmt.Printf("reports to %q\n", n.Address())
	// Output: reports to ""
}

// A reload that fails still ends with READY=1: the service runs on as it was.
func ExampleNotifier_Send() {
	var n *notify.Notifier // from Take
	if err := n.Send(notify.Reloading()); err != nil {
		log.Print(err)
	}
	if err := reload(); err != nil {
		why := notify.Status(notify.OneLine("reload failed: " + err.Error()))
		if err := n.Send(notify.Ready, why, notify.Errno(syscall.EINVAL)); err != nil {
			log.Print(err)
		}
	}
}

func reload() error { return fmt.Errorf("line 1: unknown key\nline 7: unknown key") }

// systemd has read the message before the process exits.
func ExampleNotifier_Barrier() {
	var n *notify.Notifier // from Take
	if err := n.Send(notify.FDStore("listener", 3)); err != nil {
		log.Print(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.Barrier(ctx); err != nil {
		log.Print(err)
	}
}

// Pings while the service is well, for as long as ctx lasts.
func ExampleNotifier_KeepAlive() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var n *notify.Notifier // from Take
	interval, err := notify.WatchdogInterval()
	if err != nil {
		log.Print(err)
		return
	}
	go func() {
		if err := n.KeepAlive(ctx, interval, healthy); err != nil {
			log.Print(err)
		}
	}()
	// … serve …
}

func healthy(ctx context.Context) error { return ctx.Err() }
