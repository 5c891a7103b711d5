package main

import (
	"context"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// health is a gRPC server with the service of grpc.health.v1. Each answer has the
// generation in its header.
func health(svc *reload.Service) *grpc.Server {
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, checker{svc: svc})
	return server
}

type checker struct {
	grpc_health_v1.UnimplementedHealthServer
	svc *reload.Service
}

func (c checker) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return serving, grpc.SetHeader(ctx, metadata.Pairs("generation", sign(c.svc)))
}

// Watch says one thing, and ends when the server drains.
func (c checker) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	if err := stream.Send(serving); err != nil {
		return err
	}
	<-httpdrain.Draining(stream.Context()).Done()
	return nil
}

var serving = &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
