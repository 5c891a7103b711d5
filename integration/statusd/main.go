// Statusd is a service that shows its status on the bus, with the faults of a
// release that its status tells of, chosen when it is built:
//
//	go build -ldflags "-X main.version=v2 -X main.fault=crash" ./integration/statusd
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

var (
	version = "unstamped"
	fault   = "" // none

	probation = "0s"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("statusd", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if fault == "crash" {
		return errors.New("this build crashes at start")
	}
	trial, err := time.ParseDuration(probation)
	if err != nil {
		return err
	}
	svc, err := reload.Open(reload.Config{
		Build:        version,
		Probation:    trial,
		ReadyTimeout: 2 * time.Second,
		DrainTimeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer svc.Close()
	switch fault {
	case "refuse":
		return svc.Refuse(errors.New("the configuration names no backend"))
	case "hang":
		time.Sleep(time.Hour)
	case "die":
		go dieServing(svc)
	}
	ln, err := svc.Listener("who")
	if err != nil {
		return err
	}
	status.Export(ctx, svc, status.Config{})
	return svc.Serve(ctx, reload.Streams(ln, func(c net.Conn) {
		fmt.Fprintln(c, svc.Generation(), svc.Build())
	}))
}

// dieServing ends this process as soon as it serves.
func dieServing(svc *reload.Service) {
	changes, stop := svc.Watch()
	defer stop()
	for !svc.Snapshot().Main {
		<-changes
	}
	os.Exit(1)
}
