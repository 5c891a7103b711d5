package main

import (
	"context"
	"sync"
	"time"

	"github.com/instar-project/instar/integration/peers/tally"

	"github.com/miekg/dns"
)

// askDNS asks 200 times a second, once each.
func askDNS(ctx context.Context, address string, begun func(), t *tally.Tally) error {
	client := &dns.Client{Timeout: 5 * time.Second}
	var queries sync.WaitGroup
	defer queries.Wait()
	for tick := time.Tick(5 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		queries.Go(func() {
			query := new(dns.Msg)
			query.SetQuestion("who.", dns.TypeTXT)
			answer, _, err := client.Exchange(query, address)
			if err != nil {
				t.Add("lost: %v", err)
				return
			}
			t.Add("answered by %s", answer.Answer[0].(*dns.TXT).Txt[0])
			begun()
		})
	}
}
