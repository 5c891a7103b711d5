package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/gliderlabs/ssh"
)

// shells has sessions of a second, which end by themselves.
func shells(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("ssh")
	if err != nil {
		return nil, err
	}
	return reload.Graceful(ln, func(_ context.Context, ln net.Listener) reload.Running {
		s := &ssh.Server{Handler: func(session ssh.Session) {
			for range 20 {
				time.Sleep(50 * time.Millisecond)
				fmt.Fprintln(session, sign(svc))
			}
		}}
		return reload.Running{Serve: func() error { return s.Serve(ln) }, Shutdown: s.Shutdown, Close: s.Close}
	}), nil
}
