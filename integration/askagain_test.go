package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Requests on kept connections go on while the state is parked: before the takeover, on
// probation, after a take back and in the drain. Each is answered and counted once.
func TestAskAgain(t *testing.T) { onEach(t, askAgain) }

func askAgain(t *testing.T, s *site) {
	const address = "127.0.0.1:5420"
	s.release("kept", "integration/kept", "version=v1")
	s.must(s.manager.InstallUnit("kept.socket", "[Socket]\nListenStream="+address+"\nFileDescriptorName=http\n"))
	s.must(s.manager.InstallUnit("kept.service", "[Service]\nType=notify-reload\nNotifyAccess=main\nFileDescriptorStoreMax=16\nRestart=always\nExecStart="+s.binary("kept")+"\n"))
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, "kept.socket", "kept.service"))

	var answered, again atomic.Int64
	client := func() *http.Client {
		return &http.Client{
			Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return s.manager.Host().Dial(ctx, network, address)
			}},
			CheckRedirect: func(*http.Request, []*http.Request) error { again.Add(1); return nil },
		}
	}
	ask := func(c *http.Client) (count, generation int) {
		r, err := c.Post("http://kept/", "text/plain", strings.NewReader("one more"))
		if err != nil {
			t.Errorf("after %d answers: %v", answered.Load(), err)
			return 0, 0
		}
		defer r.Body.Close()
		if _, err := fmt.Fscan(r.Body, &count, &generation); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("after %d answers: %s, %v", answered.Load(), r.Status, err)
			return 0, 0
		}
		answered.Add(1)
		return count, generation
	}
	asking, stop := context.WithCancel(s.ctx)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for c := client(); asking.Err() == nil; time.Sleep(5 * time.Millisecond) {
				ask(c)
			}
		})
	}
	defer clients.Wait()
	defer stop()

	s.release("kept", "integration/kept", "version=v2", "probation=2s")
	predecessor := s.mainPID("kept")
	s.upgrade("kept")
	s.gone(predecessor)
	if again.Load() == 0 {
		t.Error("no request was sent on, so nothing is shown")
	}

	s.release("kept", "integration/kept", "version=v3", "probation=3s", "unwell=yes")
	predecessor = s.mainPID("kept")
	_ = s.manager.Reload(s.ctx, "kept.service") // systemd says from 258 on that it has failed
	s.eventually("the predecessor has taken back", func() bool {
		return s.mainPID("kept") == predecessor && strings.Contains(s.show("kept", "StatusText"), "upgrade failed")
	})

	stop()
	clients.Wait()
	count, generation := ask(client())
	if count != int(answered.Load()) || generation != 2 {
		t.Errorf("%d requests were answered, and generation %d has counted %d\n%s", answered.Load(), generation, count, s.journal())
	}
	t.Logf("%d answers, %d of them by another generation than was asked", answered.Load(), again.Load())
}
