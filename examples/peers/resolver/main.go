// Resolver is a whole DNS service, over TCP and UDP: it has one answer to everything.
package main

import (
	"context"
	"errors"

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
	return svc.Serve(ctx, server{&dns.Server{Listener: ln}}, server{&dns.Server{PacketConn: pc}})
}

// server goes on reading in a drain: what it reads then waits for the next generation.
type server struct{ *dns.Server }

func (s server) Serve() error       { return s.ActivateAndServe() }
func (s server) Drain(reload.Drain) {}
func (s server) Resume()            {}
func (s server) Close() error       { return s.Shutdown() }

func answer(w dns.ResponseWriter, query *dns.Msg) {
	hello := &dns.TXT{Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"hello"}}
	w.WriteMsg(&dns.Msg{MsgHdr: dns.MsgHdr{Id: query.Id, Response: true}, Question: query.Question, Answer: []dns.RR{hello}})
}
