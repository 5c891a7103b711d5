package main

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/valyala/fasthttp"
)

// fast is HTTP by fasthttp, whose Shutdown closes idle connections at once: a request may
// be on its way there. So a server that leaves says so with its answers first, and leaves
// its clients the time to ask once more.
func fast(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("fast")
	if err != nil {
		return nil, err
	}
	return reload.Graceful(ln, func(leaving context.Context, ln net.Listener) reload.Running {
		var open atomic.Int64 // GetOpenConnectionsCount is one less once Serve has returned
		s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
			time.Sleep(5 * time.Millisecond)
			_, _ = c.WriteString(sign(svc))
			if leaving.Err() != nil {
				c.SetConnectionClose()
			}
		}, ConnState: func(_ net.Conn, state fasthttp.ConnState) {
			switch state {
			case fasthttp.StateNew:
				open.Add(1)
			case fasthttp.StateClosed, fasthttp.StateHijacked:
				open.Add(-1)
			}
		}}
		return reload.Running{
			Serve: func() error { return s.Serve(ln) },
			Shutdown: func(ctx context.Context) error {
				const patience = 2 * time.Second
				for over := time.After(patience); open.Load() > 0; {
					select {
					case <-over:
						return s.ShutdownWithContext(ctx)
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(10 * time.Millisecond):
					}
				}
				return s.ShutdownWithContext(ctx)
			},
			Linger: -1,
		}
	}), nil
}
