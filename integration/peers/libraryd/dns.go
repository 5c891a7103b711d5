package main

import (
	"context"
	"net"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/miekg/dns"
)

// namesByTCP and namesByUDP answer each query in a goroutine of its own, after a while.
func namesByTCP(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("dns-tcp")
	if err != nil {
		return nil, err
	}
	return reload.Graceful(ln, func(_ context.Context, ln net.Listener) reload.Running {
		return names(&dns.Server{Listener: ln, Handler: answer(svc)})
	}), nil
}

func namesByUDP(svc *reload.Service) (reload.Server, error) {
	pc, err := svc.PacketConn("dns-udp")
	if err != nil {
		return nil, err
	}
	return reload.GracefulPackets(pc, func(_ context.Context, pc net.PacketConn) reload.Running {
		return names(&dns.Server{PacketConn: pc, Handler: answer(svc)})
	}), nil
}

func names(s *dns.Server) reload.Running {
	return reload.Running{Serve: s.ActivateAndServe, Shutdown: s.ShutdownContext, Close: s.Shutdown}
}

// answer is a TXT record: the generation.
func answer(svc *reload.Service) dns.HandlerFunc {
	return func(w dns.ResponseWriter, query *dns.Msg) {
		time.Sleep(20 * time.Millisecond)
		m := new(dns.Msg).SetReply(query)
		m.Answer = []dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{sign(svc)},
		}}
		_ = w.WriteMsg(m)
	}
}
