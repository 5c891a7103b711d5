package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/instar-project/instar/integration/peers/tally"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// A client that lasts counts when its server has told it to go, in microseconds since
// 1970, and comes back.

func askEvents(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return lasting(ctx, address, begun, t, holdEvents)
}

func askWebSocket(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return lasting(ctx, address, begun, t, func(ctx context.Context, address string, begun func()) error {
		return holdWebSocket(ctx, "ws://"+address+"/websocket", begun)
	})
}

func askGRPCTold(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return lasting(ctx, address, begun, t, holdGRPC)
}

func lasting(ctx context.Context, address string, begun func(), t *tally.Tally, hold func(context.Context, string, func()) error) error {
	client := func(begun func()) {
		for {
			err := hold(ctx, address, begun)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				t.Add("lost: %v", err)
				time.Sleep(10 * time.Millisecond)
			default:
				t.Add("told at %d", time.Now().UnixMicro())
			}
		}
	}
	together(begun, slices.Repeat([]func(func()){client}, 5))
	return nil
}

// holdGRPC returns nil if the last message of a stream was a farewell.
func holdGRPC(ctx context.Context, address string, begun func()) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	s, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	told := false
	for {
		m, err := s.Recv()
		switch {
		case err == io.EOF && told:
			return nil
		case err != nil:
			return fmt.Errorf("told %v: %w", told, err)
		}
		told = m.Status == grpc_health_v1.HealthCheckResponse_NOT_SERVING
		begun()
	}
}

// askHeedless has events from a handler that takes no notice of a drain, and counts when
// it is cut.
func askHeedless(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		for ctx.Err() == nil {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/heedless", nil)
			if err != nil {
				t.Add("lost: %v", err)
				return
			}
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				if ctx.Err() == nil {
					t.Add("lost: %v", err)
				}
				continue
			}
			begun()
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if ctx.Err() == nil && err == nil {
				err = errors.New("it ends as if it were whole")
				t.Add("lost: %v", err)
			}
			if ctx.Err() == nil {
				t.Add("cut at %d", time.Now().UnixMicro())
			}
		}
	}
	together(begun, slices.Repeat([]func(func()){client}, 10))
	return nil
}
