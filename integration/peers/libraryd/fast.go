package main

import (
	"context"
	"net"
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
		s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
			time.Sleep(5 * time.Millisecond)
			_, _ = c.WriteString(sign(svc))
			if leaving.Err() != nil {
				c.SetConnectionClose()
			}
		}}
		return reload.Running{
			Serve:    func() error { return s.Serve(ln) },
			Shutdown: s.ShutdownWithContext,
			Linger:   2 * time.Second,
		}
	}), nil
}
