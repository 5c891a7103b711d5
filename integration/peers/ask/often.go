package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/instar-project/instar/integration/peers/tally"

	"github.com/miekg/dns"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// askDNSInTime asks 50 times a second, once each, and has half a second for each answer.
func askDNSInTime(network string) func(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return func(ctx context.Context, address string, begun func(), t *tally.Tally) error {
		client := &dns.Client{Net: network}
		return often(ctx, func() {
			limited, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			answer, _, err := client.ExchangeContext(limited, new(dns.Msg).SetQuestion("who.", dns.TypeTXT), address)
			if err != nil {
				t.Add("lost: %v", withoutAddresses(err))
				t.Add("missed at %d", time.Now().UnixMicro())
				return
			}
			t.Add("answered by %s", answer.Answer[0].(*dns.TXT).Txt[0])
			begun()
		})
	}
}

// withoutAddresses makes one kind of errors that differ in the ports of their sockets.
func withoutAddresses(err error) error {
	if inside := (*net.OpError)(nil); errors.As(err, &inside) {
		return fmt.Errorf("%s: %w", inside.Op, inside.Err)
	}
	return err
}

// askFast holds connections by the client of fasthttp, and POSTs on each every 20 ms,
// once each.
func askFast(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		host := &fasthttp.HostClient{Addr: address, MaxConns: 1, MaxIdemponentCallAttempts: 1}
		defer host.CloseIdleConnections()
		for tick := time.Tick(20 * time.Millisecond); ctx.Err() == nil; <-tick {
			request, answer := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			request.SetRequestURI("http://" + address + "/")
			request.Header.SetMethod(http.MethodPost)
			if err := host.DoTimeout(request, answer, 5*time.Second); err != nil {
				t.Add("lost: %v", err)
			} else {
				t.Add("answered by %s", answer.Body())
				begun()
			}
		}
	}
	together(begun, slices.Repeat([]func(func()){client}, 5))
	return nil
}

// askUnary makes a call every 50 ms on each of a few connections.
func askUnary(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Add("lost: %v", err)
			return
		}
		defer conn.Close()
		checker := grpc_health_v1.NewHealthClient(conn)
		checkOften(ctx, checker, begun, t)
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}

// checkOften makes unary calls, one after the other, until ctx ends.
func checkOften(ctx context.Context, health grpc_health_v1.HealthClient, begun func(), t *tally.Tally) {
	for tick := time.Tick(50 * time.Millisecond); ctx.Err() == nil; <-tick {
		limited, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var header metadata.MD
		_, err := health.Check(limited, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header))
		cancel()
		if err != nil {
			t.Add("lost: %v", err)
			continue
		}
		t.Add("answered by %s", header["generation"][0])
		begun()
	}
}

// askSSHAgain has sessions one after the other, each to its end.
func askSSHAgain(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		for ctx.Err() == nil {
			lines, err := session(address, begun)
			if err != nil || lines != 20 {
				t.Add("lost: after %d lines: %v", lines, err)
				time.Sleep(10 * time.Millisecond)
				continue
			}
			t.Add("finished")
		}
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}
