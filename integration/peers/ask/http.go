package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/peers/tally"

	"github.com/quic-go/quic-go/http3"
)

// get makes a request.
func get(ctx context.Context, client *http.Client, url string, t *tally.Tally) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Add("lost: %v", err)
		return
	}
	res, err := client.Do(req)
	if err != nil {
		t.Add("lost: %v", err)
		return
	}
	defer res.Body.Close()
	who, err := io.ReadAll(res.Body)
	if err != nil {
		t.Add("lost: %v", err)
		return
	}
	t.Add("answered by %s", who)
}

// askSlow makes four requests that take their time, and no more.
func askSlow(_ context.Context, address string, begun func(), t *tally.Tally) error {
	client := func(begun func()) {
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { begun() },
		})
		get(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+address, t)
	}
	together(begun, slices.Repeat([]func(func()){client}, 4))
	return nil
}

// askHTTP makes a request every 20 ms, each on a connection of its own.
func askHTTP(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return often(ctx, func() {
		get(context.Background(), client, "http://"+address, t)
		begun()
	})
}

// askHTTP3 is askHTTP over QUIC.
func askHTTP3(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	return often(ctx, func() {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer transport.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		get(ctx, &http.Client{Transport: transport}, "https://"+address, t)
		begun()
	})
}

// often calls f every 20 ms, in a goroutine of its own.
func often(ctx context.Context, f func()) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	for tick := time.Tick(20 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			calls.Go(f)
		}
	}
}
