package activation

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNew(t *testing.T) {
	checkLeaks(t)
	fd := tcpSocket(t)
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	s := newSet(t, Entry{"http", fd})
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v; want close-on-exec", flags, err)
	}
	if got, want := s.Entries(), []Entry{{"http", fd}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Entries = %v, want %v", got, want)
	}
}

// On an error New has closed everything: checkLeaks sees to that.
func TestNewErrors(t *testing.T) {
	checkLeaks(t)
	good := func() int { return tcpSocket(t) }
	twice, closed := good(), good()
	unix.Close(closed)
	tests := []struct {
		what    string
		entries []Entry
		want    string
	}{
		{"invalid name", []Entry{{"a", good()}, {"a:b", good()}}, `activation: new set: entry "a:b": the name holds a character other than printable ASCII without ':'`},
		{"no name", []Entry{{"", good()}}, `activation: new set: entry "": the name is empty`},
		{"twice", []Entry{{"a", twice}, {"b", twice}}, expand(`activation: new set: entry "b": another entry has fd {fd} as well`, twice, "")},
		{"not open", []Entry{{"a", -1}, {"b", good()}}, `activation: new set: entry "a", fd -1: bad file descriptor`},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			s, err := New(tt.entries)
			if err == nil || err.Error() != tt.want || s != nil {
				t.Errorf("New = %v, %v\nwant %s", s, err, tt.want)
			}
		})
	}
}

func TestNamesAndUnclaimed(t *testing.T) {
	checkLeaks(t)
	s := newSet(t,
		Entry{"http", tcpSocket(t)}, Entry{"dns", udpSocket(t)}, Entry{"instar.fd.x", udpSocket(t)},
		Entry{"http", tcpSocket(t)}, Entry{"metrics.socket", tcpSocket(t)})
	if got, want := s.Names(), []string{"http", "dns", "metrics.socket"}; !slices.Equal(got, want) {
		t.Errorf("Names = %q, want %q", got, want)
	}
	lns, err := s.Listeners("http")
	if err != nil {
		t.Fatal(err)
	}
	for _, ln := range lns {
		ln.Close()
	}
	if got, want := s.Unclaimed(), []string{"dns", "metrics.socket"}; !slices.Equal(got, want) {
		t.Errorf("Unclaimed = %q, want %q", got, want)
	}

	err = s.CheckUnclaimed()
	dns, metrics := s.Entries()[1].FD, s.Entries()[4].FD
	wantError(t, err, ErrUnclaimed,
		expand(`activation: CheckUnclaimed("dns"): fd {fd}, a UDP socket on {addr}, was passed but never asked for: `+
			`ask for it with PacketConn("dns"), or remove ListenDatagram= from the .socket unit with FileDescriptorName=dns`, dns, boundTo(t, dns))+"\n"+
			expand(`activation: CheckUnclaimed("metrics.socket"): fd {fd}, a TCP listener on {addr}, was passed but never asked for: `+
				`ask for it with Listener("metrics.socket"), or remove ListenStream= from metrics.socket`, metrics, boundTo(t, metrics)))

	// To ask is enough, even in vain: the error has told already.
	if _, err := s.Listener("dns"); !errors.Is(err, ErrWrongType) {
		t.Error(err)
	}
	s.Claim(func(name string) bool {
		if name != "metrics.socket" {
			return false
		}
		unix.Close(metrics) // moved here
		return true
	})
	if err := s.CheckUnclaimed(); err != nil {
		t.Error(err)
	}
}

func TestClaim(t *testing.T) {
	checkLeaks(t)
	a, b, c := udpSocket(t), tcpSocket(t), udpSocket(t)
	s := newSet(t, Entry{"instar.fd.a", a}, Entry{"http", b}, Entry{"instar.fd.c", c})
	got := s.Claim(reserved)
	if want := []Entry{{"instar.fd.a", a}, {"instar.fd.c", c}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Claim = %v, want %v", got, want)
	}
	if got, want := s.Entries(), []Entry{{"http", b}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Entries = %v, want %v", got, want)
	}
	if again := s.Claim(reserved); again != nil {
		t.Errorf("claimed twice: %v", again)
	}
	s.Close()
	for _, e := range got {
		if err := unix.Close(e.FD); err != nil {
			t.Errorf("%s went with the Set: %v", e.Name, err)
		}
	}
}

func TestClose(t *testing.T) {
	checkLeaks(t)
	s, err := New([]Entry{{"http", tcpSocket(t)}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.Listener("http")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	roundTrip(t, ln) // the result of a getter lives on
	_, err = s.Listener("http")
	wantError(t, err, ErrClosed, `activation: Listener("http"): the set has been closed: call its getters before Close`)
	if s.Entries() != nil || s.Names() != nil || s.Unclaimed() != nil || s.CheckUnclaimed() != nil {
		t.Error("a closed Set still has entries")
	}
}

// Getters, the handover and Close may meet; the race detector is the judge.
func TestConcurrent(t *testing.T) {
	checkLeaks(t)
	s := newSet(t, Entry{"http", tcpSocket(t)}, Entry{"instar.x", udpSocket(t)})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			ln, err := s.Listener("http")
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			ln.Close()
		})
		group.Go(func() { s.Entries(); s.Names(); s.Unclaimed() })
		group.Go(func() {
			for _, e := range s.Claim(func(name string) bool { return strings.HasSuffix(name, ".x") }) {
				unix.Close(e.FD)
			}
		})
	}
	group.Go(func() { s.Close() })
	group.Wait()
}
