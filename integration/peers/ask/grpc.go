package main

import (
	"context"
	"io"
	"slices"

	"github.com/instar-project/instar/integration/peers/tally"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// askGRPCStream has a stream on each of a few connections, to its end.
func askGRPCStream(_ context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		n, err := stream(address, begun)
		if err != nil {
			t.Add("lost: after %d messages: %v", n, err)
			return
		}
		t.Add("streams of %d", n)
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}

// stream counts the messages of a stream, and calls first after the first one.
func stream(address string, first func()) (messages int, err error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	s, err := grpc_health_v1.NewHealthClient(conn).Watch(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return 0, err
	}
	for ; ; messages++ {
		switch _, err := s.Recv(); err {
		case nil:
			first()
		case io.EOF:
			return messages, nil
		default:
			return messages, err
		}
	}
}
