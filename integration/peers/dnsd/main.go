// Command dnsd is a DNS server by github.com/miekg/dns, which answers each query in a
// goroutine of its own, after a while. The answer is a TXT record: the generation.
package main

import (
	"context"
	"log"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/miekg/dns"
)

// version is stamped in by the linker.
var version = "dev"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	pc, err := svc.PacketConn("dns")
	if err != nil {
		return err
	}
	generation := strconv.Itoa(svc.Generation())
	answer := func(w dns.ResponseWriter, query *dns.Msg) {
		time.Sleep(200 * time.Millisecond)
		m := new(dns.Msg)
		m.SetReply(query)
		m.Answer = []dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET},
			Txt: []string{generation},
		}}
		w.WriteMsg(m)
	}
	return svc.Serve(context.Background(), server{&dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(answer)}})
}

// server is the adapter that one writes after a look at the methods of both.
type server struct{ *dns.Server }

func (s server) Serve() error       { return s.ActivateAndServe() }
func (s server) Drain(reload.Drain) {}
func (s server) Resume()            {}
func (s server) Close() error       { return s.Shutdown() }
