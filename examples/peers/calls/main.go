// Calls is a whole gRPC service, of one method: Check of grpc.health.v1.Health.
package main

import (
	"context"
	"net/http"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"
	"github.com/instar-project/instar/status"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

func main() { reload.Main(reload.Config{}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	ln, err := svc.Listener("grpc") // FileDescriptorName=grpc in calls.socket
	if err != nil {
		return err
	}
	calls := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(calls, health.NewServer())
	// As a handler it serves again if this generation takes back.
	server := &http.Server{Handler: calls, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	return svc.Serve(ctx, httpdrain.New(server, ln))
}
