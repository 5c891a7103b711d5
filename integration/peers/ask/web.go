package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/load"
	"github.com/instar-project/instar/integration/peers/tally"

	coder "github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// together runs clients until all of them have returned. begun is called when each has
// called its own.
func together(begun func(), clients []func(begun func())) {
	var running, first sync.WaitGroup
	first.Add(len(clients))
	for _, client := range clients {
		running.Go(func() {
			begun := sync.OnceFunc(first.Done)
			defer begun()
			client(begun)
		})
	}
	first.Wait()
	begun()
	running.Wait()
}

// askH2C speaks HTTP/2 by prior knowledge.
func askH2C(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return askHTTP2(ctx, begun, t, func() (net.Conn, error) { return net.Dial("tcp", address) })
}

// askH2 speaks HTTP/2 over TLS.
func askH2(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}
	return askHTTP2(ctx, begun, t, func() (net.Conn, error) { return tls.Dial("tcp", address, config) })
}

// askHTTP2 holds HTTP/2 connections and POSTs on each ten times a second, once each.
func askHTTP2(ctx context.Context, begun func(), t *tally.Tally, dial func() (net.Conn, error)) error {
	client := func(begun func()) {
		var conn *load.HTTP2
		for tick := time.Tick(100 * time.Millisecond); ctx.Err() == nil; <-tick {
			generation, err := post(&conn, dial)
			if err != nil {
				t.Add("lost: %v", err)
				continue
			}
			t.Add("answered by %s", generation)
			begun()
		}
	}
	together(begun, slices.Repeat([]func(func()){client}, 10))
	return nil
}

// post makes one request on conn, which is replaced if the server has said that it takes
// no more.
func post(conn **load.HTTP2, dial func() (net.Conn, error)) (body []byte, err error) {
	var answer *http.Response
	for answer == nil {
		if *conn == nil {
			c, err := dial()
			if err != nil {
				return nil, err
			}
			if *conn, err = load.NewHTTP2(context.Background(), c); err != nil {
				return nil, err
			}
		}
		answer, err = (*conn).Do(context.Background(), http.MethodPost, "/")
		if errors.Is(err, load.ErrWentAway) {
			(*conn).Close()
			*conn = nil
		} else if err != nil {
			return nil, err
		}
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// askPush holds WebSockets and event streams, and begins another when the server has
// ended one.
func askPush(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(hold func(ctx context.Context, address string, begun func()) error) func(func()) {
		return func(begun func()) {
			for {
				err := hold(ctx, address, begun)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					t.Add("lost: %v", err)
				default:
					t.Add("told")
				}
			}
		}
	}
	together(begun, slices.Repeat([]func(func()){client(holdCoder), client(holdGorilla), client(holdEvents)}, 3))
	return nil
}

func holdCoder(ctx context.Context, address string, begun func()) error {
	return holdWebSocket(ctx, "ws://"+address+"/coder", begun)
}

func holdGorilla(ctx context.Context, address string, begun func()) error {
	return holdWebSocket(ctx, "ws://"+address+"/gorilla", begun)
}

// holdWebSocket returns nil if the server has said that it goes away.
func holdWebSocket(ctx context.Context, url string, begun func()) error {
	c, _, err := coder.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for {
		if _, _, err := c.Read(ctx); coder.CloseStatus(err) == coder.StatusGoingAway {
			return nil
		} else if err != nil {
			return err
		}
		begun()
	}
}

// holdEvents returns nil if the last event was a farewell.
func holdEvents(ctx context.Context, address string, begun func()) error {
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/events", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	told := false
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		told = told || lines.Text() == "event: bye"
		begun()
	}
	if lines.Err() == nil && !told {
		return errors.New("the events end without a farewell")
	}
	return lines.Err()
}

// askGRPC makes a call every 50 ms on each of a few connections, beside one that streams.
func askGRPC(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Add("lost: %v", err)
			return
		}
		defer conn.Close()
		health := grpc_health_v1.NewHealthClient(conn)
		if _, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Add("lost: a stream: %v", err)
		}
		checkOften(ctx, health, begun, t)
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}
