// Plainweb is examples/web on plain net/http, without Instar, to compare with. It
// binds its own sockets, says nothing to systemd, and ends by Shutdown on SIGTERM.
//
//	plainweb 127.0.0.1:8080 /run/web.sock
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var version = "unstamped"

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		slog.Error("plainweb", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addresses []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		network := "tcp"
		if strings.HasPrefix(address, "/") {
			network = "unix"
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		slog.Info("serving", "address", ln.Addr().String())
		go func() { failed <- server.Serve(ln) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := server.Shutdown(patience); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		who(w)
		fmt.Fprintf(w, "generation %d, build %s, PID %d\n", 1, version, os.Getpid())
	})
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
		who(w)
		fmt.Fprintf(w, "after %v\n", d)
	})
	return mux
}

func who(w http.ResponseWriter) {
	w.Header().Set("X-Generation", "1")
	w.Header().Set("X-Build", version)
}
