package main

import (
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
	return graceful(svc, ln, func(ln net.Listener) running {
		s := &ssh.Server{Handler: func(session ssh.Session) {
			for range 20 {
				time.Sleep(50 * time.Millisecond)
				fmt.Fprintln(session, sign(svc))
			}
		}}
		return running{serve: func() error { return s.Serve(ln) }, finish: s.Shutdown, stop: s.Close}
	}), nil
}
