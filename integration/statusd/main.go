// Statusd is a service that shows its status on the bus, with the faults of a
// release that its status tells of, chosen when it is built:
//
//	go build -ldflags "-X main.version=v2 -X main.fault=crash" ./integration/statusd
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/instar-project/instar/fdstore"
	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"
)

var (
	version = "unstamped"
	fault   = "" // none

	probation = "0s"
	slow      = "0s" // how long it takes to initialise
	dieAfter  = "0s" // how long it serves, if it dies serving
	linger    = ""   // anything else: a connection lasts until its client ends it
	own       = ""   // where it listens by itself
	keeps     = ""   // names of Keepers, with a comma between
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("statusd", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if err := begin(); err != nil {
		return err
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
		Command:      command(),
		Preflight:    check,
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
	case "panic-early": // while Close is deferred, with a secret in its words
		panic("dial postgres://web:secret@db")
	case "panic":
		go panicServing(svc)
	case "die":
		life, err := time.ParseDuration(dieAfter)
		if err != nil {
			return err
		}
		go dieServing(svc, life)
	}
	ln, err := svc.Listener("who")
	if err != nil {
		return err
	}
	if own != "" {
		if _, err := net.Listen("tcp", own); err != nil {
			slog.Error("own socket", "error", err)
		}
	}
	if keeps != "" {
		for name := range strings.SplitSeq(keeps, ",") {
			if err := svc.Keep(name, keeper(name)); err != nil {
				return err
			}
		}
	}
	status.Export(ctx, svc, status.Config{})
	return svc.Serve(ctx, reload.Streams(ln, func(_ context.Context, c net.Conn) {
		fmt.Fprintln(c, svc.Generation(), svc.Build(), started())
		if linger != "" {
			_, _ = io.Copy(io.Discard, c)
		}
	}))
}

// keeper keeps how often its state was adopted.
type keeper string

const adoptions = "adoptions"

func (k keeper) Adopt(ctx context.Context, store *fdstore.Store, from reload.Origin) error {
	n, _, err := fdstore.Load[int](store, adoptions, 1)
	if err != nil && !errors.Is(err, fdstore.ErrNotFound) && !errors.Is(err, fdstore.ErrNoStore) {
		return err
	}
	slog.Info("adopts", "keeper", string(k), "from", from, "before", n)
	if err := fdstore.Save(ctx, store, adoptions, 1, n+1); !errors.Is(err, fdstore.ErrNoStore) {
		return err
	}
	return nil
}

func (k keeper) Park(context.Context, *fdstore.Store) error {
	slog.Info("parks", "keeper", string(k))
	return nil
}

// dieServing ends this process when it has served for a while.
func dieServing(svc *reload.Service, life time.Duration) {
	changes, stop := svc.Watch()
	defer stop()
	for !svc.Snapshot().Main {
		<-changes
	}
	time.Sleep(life)
	os.Exit(1)
}
