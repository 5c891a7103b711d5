package main

import (
	"context"
	"net"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/miekg/dns"
)

// linger is the time for queries that are on their way on a connection of TCP: a shutdown
// of the library ends those that it has not read.
const linger = 500 * time.Millisecond

// namesByTCP and namesByUDP answer each query in a goroutine of its own, after a while.
func namesByTCP(svc *reload.Service) (reload.Server, error) {
	ln, err := svc.Listener("dns-tcp")
	if err != nil {
		return nil, err
	}
	return graceful(svc, ln, func(ln net.Listener) running {
		n := names(&dns.Server{Listener: ln, Handler: answer(svc)})
		shutdown := n.finish
		n.finish = func(ctx context.Context) error {
			time.Sleep(linger)
			return shutdown(ctx)
		}
		return n
	}), nil
}

func namesByUDP(svc *reload.Service) (reload.Server, error) {
	pc, err := svc.PacketConn("dns-udp")
	if err != nil {
		return nil, err
	}
	return gracefulPackets(svc, pc, func(pc net.PacketConn) running {
		return names(&dns.Server{PacketConn: pc, Handler: answer(svc)})
	}), nil
}

func names(s *dns.Server) running {
	return running{serve: s.ActivateAndServe, finish: s.ShutdownContext, stop: s.Shutdown}
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
