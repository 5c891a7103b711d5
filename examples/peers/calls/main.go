// Calls is a whole gRPC service, of one method: Check of grpc.health.v1.Health.
package main

import (
	"context"
	"net"

	"github.com/instar-project/instar/reload"
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
	return svc.Serve(ctx, reload.Graceful(ln, func(_ context.Context, ln net.Listener) reload.Running {
		calls := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(calls, health.NewServer())
		return reload.Running{Serve: func() error { return calls.Serve(ln) }, GracefulStop: calls.GracefulStop, Stop: calls.Stop}
	}))
}
