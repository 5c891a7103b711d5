package reload

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify/notifytest"

	"golang.org/x/sys/unix"
)

// scriptedServer follows a script. Its Serve returns the error that it receives; a
// method without a script returns at once.
type scriptedServer struct {
	ends                 chan error
	drain, resume, close func()
}

func newScriptedServer() *scriptedServer {
	nothing := func() {}
	return &scriptedServer{make(chan error, 1), nothing, nothing, nothing}
}

func (s *scriptedServer) Serve() error { return <-s.ends }
func (s *scriptedServer) Drain(Drain)  { s.drain() }
func (s *scriptedServer) Resume()      { s.resume() }
func (s *scriptedServer) Close() error { s.close(); return errors.New("closed already") }

func (s *scriptedServer) serving() *serving { return newServing(slog.New(slog.DiscardHandler), 0, s) }

func TestEndOfAServer(t *testing.T) {
	for name, c := range map[string]struct {
		asked func(*serving)
		err   error
		want  string // part of the failure; "": it is none
	}{
		"nil, unasked":                  {func(*serving) {}, nil, "server 1 (*reload.scriptedServer) has returned before Drain or Close"},
		"an error, unasked":             {func(*serving) {}, errors.New("no luck"), "no luck"},
		"nil after Drain":               {func(s *serving) { s.drain(Drain{}) }, nil, ""},
		"an error after Drain":          {func(s *serving) { s.drain(Drain{}) }, errors.New("server closed"), ""},
		"nil after Close":               {func(s *serving) { s.close() }, nil, ""},
		"nil after Drain and Resume":    {func(s *serving) { s.drain(Drain{}); s.resume() }, nil, "before Drain or Close"},
		"Drain, Resume and Drain again": {func(s *serving) { s.drain(Drain{}); s.resume(); s.drain(Drain{}) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			server := newScriptedServer()
			s := server.serving()
			c.asked(s)
			server.ends <- c.err
			err := s.serve()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if !s.hasEnded() {
				t.Error("it has not ended")
			}
		})
	}
}

// A method of a server that hangs, whichever it is, does not block the service for
// long, and is named.
func TestServersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		hang := func() { <-never }
		server := newScriptedServer()
		server.drain, server.close = hang, hang
		s := gated()
		serving := server.serving()
		s.servers = append(s.servers, serving)
		go serving.serve()
		for _, c := range []struct {
			call func() error
			want []string
		}{
			{func() error { return await(context.Background(), []call{serving.drain(Drain{})}) }, []string{"Drain"}},
			{func() error { return s.resumeServers(nil) }, []string{"Resume"}}, // it waits for its turn
			{s.shut, []string{"Close", "Serve"}},
		} {
			began := time.Now()
			err := c.call()
			if took := time.Since(began); took != serverPatience {
				t.Errorf("it takes %v", took)
			}
			for _, method := range c.want {
				if want := method + " of server 1 (*reload.scriptedServer) does not return"; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
			}
		}
		close(never)
		server.ends <- nil
	})
}

// A generation that takes back serves every socket again, or none.
func TestResumeNeedsEverySocket(t *testing.T) {
	testkit.CheckLeaks(t)
	listen := func(s *Service, address string) net.Listener {
		inner, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		ln := s.intake.Listener("grpc", inner)
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	for name, c := range map[string]struct {
		reopens bool
		want    string
	}{
		"closed in the drain":            {false, "the socket grpc (127.0.0.1:"},
		"closed, and open after Resume ": {true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := gated()
			ln := listen(s, "127.0.0.1:0")
			server := newScriptedServer()
			server.drain = func() { ln.Close() }
			if c.reopens {
				server.resume = func() { listen(s, ln.Addr().String()) }
			}
			s.servers = append(s.servers, server.serving())
			open := s.intake.Sockets()
			if err := await(t.Context(), []call{s.servers[0].drain(Drain{})}); err != nil {
				t.Fatal(err)
			}
			err := s.resumeServers(open)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A server that ends in a drain leaves all else alone, after an upgrade and in a stop.
func TestServerThatEndsInADrain(t *testing.T) {
	u := startAs(t, "end-in-drain")
	first := u.dial()
	first.wantAnswer("1 serving")
	u.upgrade(1)
	second := u.dial()
	second.wantAnswer("2 serving")
	u.wantDatagrams("2")
	first.wantAnswer("1 draining")
	first.Close()
	if status := u.exit(1); status != 0 {
		t.Errorf("exit status %d after a drain", status)
	}
	u.signal(u.pid(2), unix.SIGTERM)
	u.manager.Wait(notifytest.Has("STOPPING=1"))
	second.wantAnswer("2 stopping")
	second.Close()
	if status := u.exit(2); status != 0 {
		t.Errorf("exit status %d after a stop", status)
	}
}

// But it cannot take back: systemd is to start the service anew.
func TestServerThatHasEndedDoesNotResume(t *testing.T) {
	u := startAs(t, "end-in-drain")
	stays := u.dial()
	stays.wantAnswer("1 serving")
	u.upgrade(1)
	stays.wantAnswer("1 draining")
	u.signal(u.pid(2), unix.SIGKILL)
	if status := u.exit(1); status != 1 {
		t.Errorf("exit status %d", status)
	}
}

// A server that fails just before it is asked to drain has failed for a take back too.
func TestServerThatHasFailedDoesNotResume(t *testing.T) {
	s := gated()
	server := newScriptedServer()
	serving := server.serving()
	s.servers = append(s.servers, serving)
	server.ends <- errors.New("no luck")
	if err := serving.serve(); err == nil {
		t.Error("its failure is none")
	}
	serving.drain(Drain{})
	if err := s.resumeServers(nil); err == nil || !strings.Contains(err.Error(), "cannot serve again") {
		t.Errorf("%v", err)
	}
}
