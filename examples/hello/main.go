// Hello is a whole HTTP service: the one of README.md. It is also on the message bus.
package main

import (
	"context"
	"net/http"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
	"github.com/instar-project/instar/status"
)

var version = "v1" // or another: go build -ldflags "-X main.version=v2"

func main() { reload.Main(reload.Config{Build: version}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	ln, err := svc.Listener("http") // FileDescriptorName=http in hello.socket
	if err != nil {
		return err
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("hello from " + version + "\n"))
	})
	return svc.Serve(ctx, httpdrain.New(&http.Server{}, ln))
}
