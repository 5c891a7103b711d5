package main

import (
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
	return graceful(ln, func(ln net.Listener) running {
		return names(&dns.Server{Listener: ln, Handler: answer(svc)})
	}), nil
}

func namesByUDP(svc *reload.Service) (reload.Server, error) {
	pc, err := svc.PacketConn("dns-udp")
	if err != nil {
		return nil, err
	}
	return gracefulPackets(pc, func(pc net.PacketConn) running {
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
