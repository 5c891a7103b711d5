package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/instar-project/instar/notify"
)

// reloadAtOnce is the least that a service of Type=notify-reload can do: it shows
// the cost of `systemctl reload` itself.
func reloadAtOnce() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	n, err := notify.Take()
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Send(notify.Ready); err != nil {
		return err
	}
	for s := range signals {
		if s == syscall.SIGTERM {
			return nil
		}
		if err := n.Send(notify.Reloading()); err != nil {
			return err
		}
		if err := n.Send(notify.Ready); err != nil {
			return err
		}
	}
	return nil
}
