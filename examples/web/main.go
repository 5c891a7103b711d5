// Web is a net/http service that is upgraded by `systemctl reload web`.
//
// Beside it lie web.socket and web.service. Build it with a version stamp, so
// that its answers show which build serves:
//
//	go build -ldflags "-X main.version=v1" ./examples/web
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

var version = "unstamped"

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("web", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	listeners, err := svc.Listeners("http")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(svc), ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // behind a proxy, say
	return svc.Serve(ctx, httpdrain.New(server, listeners...))
}

func handler(svc *reload.Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		who(w, svc)
		fmt.Fprintf(w, "generation %d, build %s, PID %d\n", svc.Generation(), svc.Build(), os.Getpid())
	})
	// A request that takes its time, to be in flight when a reload comes.
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("d"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		who(w, svc)
		fmt.Fprintf(w, "after %v\n", d)
	})
	return mux
}

func who(w http.ResponseWriter, svc *reload.Service) {
	w.Header().Set("X-Generation", strconv.Itoa(svc.Generation()))
	w.Header().Set("X-Build", svc.Build())
}
