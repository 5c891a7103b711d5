// Hello is a net/http service that shows its status on the bus: the service of the
// quickstart in README.md, whose unit files `instar init` writes.
//
//	go build -ldflags "-X main.version=v1" ./examples/hello
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
	"github.com/instar-project/instar/status"
)

var version = "unstamped"

func main() {
	if err := run(context.Background()); err != nil {
		slog.Error("hello", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	listeners, err := svc.Listeners("http") // FileDescriptorName=http in hello.socket
	if err != nil {
		return err
	}
	status.Export(ctx, svc, status.Config{})
	server := &http.Server{Handler: hello(svc), ReadHeaderTimeout: 10 * time.Second}
	return svc.Serve(ctx, httpdrain.New(server, listeners...))
}

func hello(svc *reload.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Generation", strconv.Itoa(svc.Generation()))
		w.Header().Set("X-Build", svc.Build())
		fmt.Fprintf(w, "hello from generation %d, build %s\n", svc.Generation(), svc.Build())
	})
}
