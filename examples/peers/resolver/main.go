// Resolver is a whole DNS service, over TCP and UDP: it has one answer to everything.
package main

import (
	"context"
	"errors"
	"net"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/status"

	"github.com/miekg/dns"
)

func main() { reload.Main(reload.Config{}, status.Exported(serve)) }

func serve(ctx context.Context, svc *reload.Service) error {
	ln, noTCP := svc.Listener("tcp")
	pc, noUDP := svc.PacketConn("udp")
	if err := errors.Join(noTCP, noUDP); err != nil {
		return err
	}
	dns.HandleFunc(".", answer)
	return svc.Serve(ctx,
		reload.Graceful(ln, func(_ context.Context, ln net.Listener) reload.Running { return running(&dns.Server{Listener: ln}) }),
		reload.GracefulPackets(pc, func(_ context.Context, pc net.PacketConn) reload.Running { return running(&dns.Server{PacketConn: pc}) }))
}

func running(s *dns.Server) reload.Running {
	return reload.Running{Serve: s.ActivateAndServe, Shutdown: s.ShutdownContext}
}

func answer(w dns.ResponseWriter, query *dns.Msg) {
	hello := &dns.TXT{Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"hello"}}
	w.WriteMsg(&dns.Msg{MsgHdr: dns.MsgHdr{Id: query.Id, Response: true}, Question: query.Question, Answer: []dns.RR{hello}})
}
