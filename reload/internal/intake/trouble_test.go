package intake

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/instar-project/instar/internal/testkit"

	"golang.org/x/sys/unix"
)

// scriptedListener fails as it was told, call by call, and then accepts.
type scriptedListener struct {
	errs []error
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		ours, _ := net.Pipe()
		return ours, nil
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func (l *scriptedListener) Addr() net.Addr              { return &net.TCPAddr{} }
func (l *scriptedListener) SetDeadline(time.Time) error { return nil }
func (l *scriptedListener) Close() error                { return nil }

// repeated is n times the same error.
func repeated(n int, err error) (errs []error) {
	for range n {
		errs = append(errs, err)
	}
	return errs
}

// An error of one connection, or want of descriptors, ends no listener; an error of
// the socket does, and so does one that does not pass.
func TestAcceptOutlastsTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		errs []error
		want error
	}{
		"scarcity":                   {repeated(10*mostPassing, unix.EMFILE), nil},
		"of the whole system":        {[]error{unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}, nil},
		"pending network errors":     {[]error{unix.EPROTO, unix.ENETDOWN, unix.EHOSTUNREACH, unix.EPERM, unix.ECONNABORTED}, nil},
		"nearly too many in a row":   {repeated(mostPassing-1, unix.EPERM), nil},
		"too many in a row":          {repeated(mostPassing, unix.EPERM), unix.EPERM},
		"nothing to accept on":       {[]error{unix.EINVAL}, unix.EINVAL},
		"trouble, and then an error": {[]error{unix.EMFILE, unix.EBADF}, unix.EBADF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := gated()
				var log strings.Builder
				s.log = slog.New(slog.NewTextHandler(&log, nil))
				s.gate.Open()
				inner := &scriptedListener{c.errs}
				conn, err := s.Listener("x", inner).Accept()
				if !errors.Is(err, c.want) || (conn == nil) != (c.want != nil) {
					t.Errorf("Accept: %v, %v, want %v", conn, err, c.want)
				}
				if len(inner.errs) > 0 {
					t.Errorf("%d errors left", len(inner.errs))
				}
				// Trouble is said once, however long it lasts.
				want := min(len(c.errs)-1, 1)
				if c.want == nil {
					want = 1
				}
				if n := strings.Count(log.String(), "trying again"); n != want {
					t.Errorf("it is said %d times, want %d:\n%s", n, want, log.String())
				}
			})
		})
	}
}

// A gate can close while a listener pauses, and a listener that pauses can be closed.
func TestTroubleHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gated()
		s.gate.Open()
		ln := s.Listener("x", &scriptedListener{repeated(1000, unix.EMFILE)})
		ended := make(chan error)
		go func() {
			_, err := ln.Accept()
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		s.gate.Close()
		s.gate.Open()
		ln.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("that took %v", took)
		}
	})
}

// A datagram socket hands over an ICMP error about a datagram that was sent before.
func TestReceivingOutlastsTrouble(t *testing.T) {
	testkit.CheckLeaks(t)
	pc, s, _ := udpSocket(t)
	s.gate.Open()
	errs := []error{unix.ECONNREFUSED, unix.EHOSTUNREACH, nil}
	err := pc.receive(func() error {
		err := errs[0]
		errs = errs[1:]
		return err
	})
	if err != nil || len(errs) > 0 {
		t.Errorf("%v, %d left", err, len(errs))
	}
}
