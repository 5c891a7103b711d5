// Faulty is a web service like examples/web that has every fault a release can
// have, one at a time, chosen when it is built:
//
//	go build -ldflags "-X main.version=v2 -X main.fault=crash" ./integration/faulty
//
// Its limits are short, so that tests of them are.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

var (
	version = "unstamped"
	fault   = "" // none

	probation = "0s"
)

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("faulty", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	switch fault {
	case "crash":
		return errors.New("this build crashes at start")
	case "panic":
		panic("this build panics at start")
	case "exit0":
		return nil
	case "hang":
		time.Sleep(time.Hour)
	case "garbage":
		// What a program does that finds a descriptor 3 and takes it for its own.
		os.NewFile(3, "somebody's").WriteString("HTTP/1.1 200 OK\r\n\r\n")
		time.Sleep(time.Hour)
	}
	trial, err := time.ParseDuration(probation)
	if err != nil {
		return err
	}
	var begun time.Time // when it was first asked how it is
	svc, err := reload.Open(reload.Config{
		Build:        version,
		Probation:    trial,
		MaxDraining:  2,
		Health: func(context.Context) error {
			if begun.IsZero() {
				begun = time.Now()
			}
			switch {
			case fault == "unwell" && time.Since(begun) > 600*time.Millisecond:
				return errors.New("the backend does not answer")
			case fault == "proven" && time.Since(begun) > 600*time.Millisecond:
				return reload.Proven
			}
			return nil
		},
		ReadyTimeout: 2 * time.Second,
		DrainTimeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer svc.Close()
	if fault == "refuse" {
		return svc.Refuse(errors.New("the configuration names no backend"))
	}
	name := "http"
	if fault == "misnamed" {
		name = "https"
	}
	listeners, err := svc.Listeners(name)
	if err != nil {
		return err
	}
	if fault == "late" {
		time.Sleep(time.Hour)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.FormValue("d")); err == nil {
			time.Sleep(d)
		}
		if r.URL.Path == "/draining" {
			w.Header().Set("X-Draining", fmt.Sprint(svc.Draining()))
		}
		w.Header().Set("X-Generation", strconv.Itoa(svc.Generation()))
		w.Header().Set("X-Build", svc.Build())
		w.Header().Set("X-Goroutines", strconv.Itoa(runtime.NumGoroutine()))
		fmt.Fprintf(w, "generation %d, build %s\n", svc.Generation(), svc.Build())
	})
	server := httpdrain.New(&http.Server{Handler: handler}, listeners...)
	server.Linger = 2 * time.Second
	return svc.Serve(ctx, server)
}
