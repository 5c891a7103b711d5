package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/instar-project/instar/integration/load"
)

// A standIn is a site within the test: both services in this process, whose
// generation a reload counts up.
type standIn struct {
	dialer net.Dialer
	web    *standInService
	echo   *standInService
	config load.Config

	loseAtReload atomic.Bool // the next reload of web costs a request
	losing       atomic.Bool
	stubborn     bool // reloads change nothing
	dies         bool // the main process is another one each time systemd is asked
	asked        int
}

type standInService struct {
	mu         sync.Mutex
	installed  build
	running    build
	generation int
	status     string
}

func (s *standInService) get() (generation int, running build) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, s.running
}

func newStandIn(t *testing.T, first build) *standIn {
	t.Helper()
	s := &standIn{
		web:  &standInService{installed: first, running: first, generation: 1},
		echo: &standInService{installed: first, running: first, generation: 1},
	}
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		return ln
	}

	webListener, echoListener := listen(), listen()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.losing.CompareAndSwap(true, false) {
			panic(http.ErrAbortHandler)
		}
		generation, running := s.web.get()
		w.Header().Set("X-Generation", fmt.Sprint(generation))
		w.Header().Set("X-Build", string(running))
	}), Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(webListener)
	t.Cleanup(func() { server.Close() })

	go func() {
		for {
			conn, err := echoListener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				generation, _ := s.echo.get()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintf(conn, "%d %s\n", generation, lines.Text())
				}
			}()
		}
	}()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		for buffer := make([]byte, 2048); ; {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			generation, _ := s.echo.get()
			udp.WriteTo(fmt.Appendf(nil, "%d %s", generation, buffer[:n]), from)
		}
	}()

	s.config = load.Config{
		Web:        []load.Endpoint{{Network: "tcp", Address: webListener.Addr().String()}},
		Streams:    []load.Endpoint{{Network: "tcp", Address: echoListener.Addr().String()}},
		Queries:    []load.Endpoint{{Network: "udp", Address: udp.LocalAddr().String()}},
		StreamLife: load.Range{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		HTTP2:      load.Clients{Count: 2, Rate: 100},
	}
	return s
}

func (s *standIn) service(name string) *standInService {
	if name == web {
		return s.web
	}
	return s.echo
}

func (s *standIn) Systemd() string { return "257.0" }

func (s *standIn) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return s.dialer.DialContext(ctx, network, address)
}

func (s *standIn) Install(_ context.Context, name string, b build) error {
	at := s.service(name)
	at.mu.Lock()
	defer at.mu.Unlock()
	at.installed = b
	return nil
}

func (s *standIn) Reload(_ context.Context, name string) error {
	if name == web && s.loseAtReload.CompareAndSwap(true, false) {
		s.losing.Store(true)
	}
	at := s.service(name)
	at.mu.Lock()
	defer at.mu.Unlock()
	if at.installed == crashing || s.stubborn {
		at.status = "upgrade failed: the successor ended"
		return errors.New("Job for web.service failed.")
	}
	at.generation, at.running, at.status = at.generation+1, at.installed, "serving"
	return nil
}

func (s *standIn) Show(_ context.Context, name string) (unitState, error) {
	at := s.service(name)
	at.mu.Lock()
	defer at.mu.Unlock()
	unit := unitState{MainPID: 100 + at.generation, Status: at.status}
	if s.dies {
		s.asked++ // only the story asks, one question at a time
		unit.MainPID += 1000 * s.asked
		unit.Restarts = 1
	}
	return unit, nil
}

func (s *standIn) Processes(string) (int, error) { return 1, nil }

// tell tells a short story.
func tell(t *testing.T, s *standIn) (outcome, report, plan, string) {
	t.Helper()
	var log strings.Builder
	p := plan{upgrades: 3, requests: 500, crash: 2, load: s.config}
	one := story{site: s, board: &board{log: &log}, plan: p}
	o, err := one.tell(t.Context(), "v1", [2]build{"v2", "v1"})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	return o, newReport(o), p, log.String()
}

func TestStory(t *testing.T) {
	o, r, p, log := tell(t, newStandIn(t, "v1"))
	if !r.judge(p) {
		t.Errorf("problems where there are none: %q, %+v", r.Problems, o.counts.Failures)
	}
	if r.Upgrades != 6 || r.UpgradesWeb != 3 || r.RolledBack != 1 || r.GenerationsSeen != 8 || r.Requests < 500 {
		t.Errorf("%+v", r)
	}
	for i, u := range o.upgrades {
		if !u.RolledBack && (u.Takeover <= 0 || u.Reload <= 0) {
			t.Errorf("upgrade %d took no time: %+v", i, u)
		}
	}
	crash := o.upgrades[2]
	if !crash.RolledBack || crash.To != crashing || crash.Generation != 2 || crash.Why != "upgrade failed: the successor ended" {
		t.Errorf("the crashing build: %+v", crash)
	}
	if !strings.Contains(log, "web  v1 → v2         generation 2, first answer after ") {
		t.Errorf("the log does not tell of the first upgrade:\n%s", log)
	}
	if strings.Contains(log, "\x1b") {
		t.Errorf("escape codes in the log:\n%q", log)
	}
}

// A single request lost in a single upgrade has to show.
func TestStoryWithALostRequest(t *testing.T) {
	s := newStandIn(t, "v1")
	s.loseAtReload.Store(true)
	o, r, p, _ := tell(t, s)
	if r.judge(p) || r.Failed != 1 || len(o.counts.Failures) != 1 || !strings.Contains(r.Problems[0], "1 of ") {
		t.Errorf("%d failed, problems %q", r.Failed, r.Problems)
	}
}

// A service that is never upgraded is not taken for one that is.
func TestStoryWithoutUpgrades(t *testing.T) {
	s := newStandIn(t, "v1")
	s.stubborn = true
	_, r, p, _ := tell(t, s)
	if r.judge(p) || r.Upgrades != 0 || r.RolledBack != 7 {
		t.Errorf("%+v", r)
	}
}

// A main process that has died between two upgrades ends the story, and shows
// in the report.
func TestStoryWithADeath(t *testing.T) {
	s := newStandIn(t, "v1")
	s.dies = true
	one := story{site: s, board: &board{}, plan: plan{upgrades: 3, requests: 500, load: s.config}}
	o, err := one.tell(t.Context(), "v1", [2]build{"v2", "v1"})
	if err == nil || !strings.Contains(err.Error(), "web: main process 2102 has died, 5102 is main now") || o.restarts != 2 {
		t.Errorf("%v, %d restarts", err, o.restarts)
	}
}

func TestStoryIsInterrupted(t *testing.T) {
	s := newStandIn(t, "v1")
	ctx, cancel := context.WithCancelCause(t.Context())
	one := story{site: s, board: &board{}, plan: plan{upgrades: 3, requests: 1 << 40, load: s.config}}
	go func() {
		for one.board.look().Done == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(errInterrupted)
	}()
	o, err := one.tell(ctx, "v1", [2]build{"v2", "v1"})
	if !errors.Is(err, errInterrupted) || o.counts.Requests == 0 || o.counts.Lost() {
		t.Errorf("%v, %+v", err, o.counts)
	}
}
