// Greet is a net/http service that shows its status on the bus, and in each answer its
// generation and its build: a service for tests whose unit files `instar init` writes.
//
//	go build -ldflags "-X main.version=v1" ./integration/greet
package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
	"github.com/instar-project/instar/status"
)

var version = "unstamped"

func main() { reload.Main(reload.Config{Build: version}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	listeners, err := svc.Listeners("http") // FileDescriptorName=http in the .socket unit
	if err != nil {
		return err
	}
	server := &http.Server{Handler: greet(svc), ReadHeaderTimeout: 10 * time.Second}
	return svc.Serve(ctx, httpdrain.New(server, listeners...))
}

func greet(svc *reload.Service) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Generation", strconv.Itoa(svc.Generation()))
		w.Header().Set("X-Build", svc.Build())
		fmt.Fprintf(w, "hello from generation %d, build %s\n", svc.Generation(), svc.Build())
	})
}
