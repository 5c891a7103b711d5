package main

import (
	"context"
	"net"
	"time"

	"github.com/instar-project/instar/reload"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// calls is gRPC: a short call, and a stream that says NOT_SERVING when its server leaves.
func calls(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("grpc")
	if err != nil {
		return nil, err
	}
	return reload.Graceful(ln, func(leaving context.Context, ln net.Listener) reload.Running {
		s := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(s, health{generation: sign(svc), leaving: leaving})
		return reload.Running{Serve: func() error { return s.Serve(ln) }, GracefulStop: s.GracefulStop, Stop: s.Stop}
	}), nil
}

type health struct {
	grpc_health_v1.UnimplementedHealthServer
	generation string
	leaving    context.Context
}

func (h health) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	time.Sleep(20 * time.Millisecond)
	return status(grpc_health_v1.HealthCheckResponse_SERVING), grpc.SetHeader(ctx, metadata.Pairs("generation", h.generation))
}

func (h health) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	if err := stream.Send(status(grpc_health_v1.HealthCheckResponse_SERVING)); err != nil {
		return err
	}
	select {
	case <-stream.Context().Done():
		return nil
	case <-h.leaving.Done():
		return stream.Send(status(grpc_health_v1.HealthCheckResponse_NOT_SERVING))
	}
}

func status(s grpc_health_v1.HealthCheckResponse_ServingStatus) *grpc_health_v1.HealthCheckResponse {
	return &grpc_health_v1.HealthCheckResponse{Status: s}
}
