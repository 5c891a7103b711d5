package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/activation"
	"github.com/instar-project/instar/internal/testkit"
	"github.com/instar-project/instar/notify"
	"github.com/instar-project/instar/notify/notifytest"
)

// outside is a Service of a process that was passed nothing.
func outside(t *testing.T) *Service {
	t.Helper()
	// The runtime's goroutine for signals stays.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	signal.Stop(c)
	testkit.CheckLeaks(t)
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET", handoverVariable} {
		t.Setenv(v, "")
		os.Unsetenv(v)
	}
	s, err := Open(Config{Build: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOutsideSystemd(t *testing.T) {
	s := outside(t)
	if s.Generation() != 1 || s.Phase() != "initialising" || s.Build() != "test" {
		t.Errorf("generation %d, %s, %s", s.Generation(), s.Phase(), s.Build())
	}
	if _, err := s.Listener("http"); !errors.Is(err, activation.ErrNotActivated) {
		t.Errorf("Listener: %v", err)
	}
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Serve(stop); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if s.Phase() != "ended" {
		t.Errorf("then %s", s.Phase())
	}
	if err := s.Serve(stop); err != ErrServed {
		t.Errorf("a second Serve: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestCloseWithoutServe(t *testing.T) {
	s := outside(t)
	why := errors.New("why")
	if err := s.Refuse(why); err != why {
		t.Errorf("Refuse: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := s.Serve(t.Context()); err != ErrServed {
		t.Errorf("Serve after Close: %v", err)
	}
}

// On a first start only systemd hears the reason. Every local user can ask it.
func TestFirstStartRefused(t *testing.T) {
	for _, public := range []bool{false, true} {
		outside(t).Close()
		manager := notifytest.Start(t)
		t.Setenv("NOTIFY_SOCKET", manager.Address())
		var log bytes.Buffer
		s, err := Open(Config{Build: "test", Logger: slog.New(slog.NewTextHandler(&log, nil)), PublicReasons: public})
		if err != nil {
			t.Fatal(err)
		}
		s.Refuse(fmt.Errorf("%s: %w", secret, syscall.ECONNREFUSED))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		status, _ := manager.Wait(notifytest.Has("ERRNO=111")).Get("STATUS")
		const want = "generation 1 (test) will not serve: "
		if !public && (status != want+"connection refused" || !strings.Contains(log.String(), secret)) {
			t.Errorf("STATUS=%s, log %s", status, &log)
		}
		if public && status != want+secret+": connection refused" {
			t.Errorf("public: STATUS=%s", status)
		}
	}
}

// A process's last message leaves before it ends, also where systemd is slow to read.
func TestCloseWaitsForSystemd(t *testing.T) {
	outside(t).Close()
	address := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	filler, err := notify.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for filler.Post(notify.Ready).Wait(ended) == nil {
	}
	t.Setenv("NOTIFY_SOCKET", address)
	s, err := Open(Config{Build: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		t.Fatal("Close has dropped it")
	case <-time.After(300 * time.Millisecond):
	}
	for buf := make([]byte, 4096); ; {
		n, err := systemd.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(buf[:n]), "STATUS=generation 1 (test) will not serve") {
			break
		}
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A server that fails ends the generation with its error.
func TestServeEndsWithAServer(t *testing.T) {
	s := outside(t)
	err := s.Serve(t.Context(), failingServer{})
	if err == nil || err.Error() != "reload: a server failed: no\nluck" {
		t.Errorf("Serve: %v", err)
	}
}

func TestMalformedHandover(t *testing.T) {
	s := outside(t)
	s.Close()
	t.Setenv(handoverVariable, "three")
	if _, err := Open(Config{}); err == nil || err.Error() != `reload: malformed INSTAR_HANDOVER_FD="three": only a predecessor may set it` {
		t.Errorf("Open: %v", err)
	}
	if value, set := os.LookupEnv(handoverVariable); set {
		t.Errorf("%s is still %q", handoverVariable, value)
	}
}
