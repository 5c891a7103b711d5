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
	return graceful(svc, ln, func(ln net.Listener) running {
		var leaving atomic.Bool
		var open atomic.Int64 // GetOpenConnectionsCount is one less once Serve has returned
		s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
			time.Sleep(5 * time.Millisecond)
			_, _ = c.WriteString(sign(svc))
			if leaving.Load() {
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
		return running{
			serve: func() error { return s.Serve(ln) },
			finish: func(ctx context.Context) error {
				leaving.Store(true)
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
			stop: s.Shutdown,
		}
	}), nil
}
