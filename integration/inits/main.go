// Inits is a web service whose packages do much in their initialisation.
package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"github.com/instar-project/instar/integration/inits/config"
	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
)

func main() {
	if err := run(); err != nil {
		slog.Error("exiting", "error", err)
		os.Exit(1)
	}
}

func run() error {
	svc, err := reload.Open(reload.Config{Build: config.DSN})
	if err != nil {
		return err
	}
	defer svc.Close()
	listeners, err := svc.Listeners("http")
	if err != nil {
		return err
	}
	http.HandleFunc("POST /hold", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Generation", strconv.Itoa(svc.Generation()))
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if err := control.Flush(); err == nil {
			_, _ = io.Copy(w, r.Body) // until the client lets it end
		}
	})
	return svc.Serve(context.Background(), httpdrain.New(&http.Server{}, listeners...))
}
