package intake

import (
	"errors"
	"net"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
)

// An answer leaves from the address that was asked, whichever way the socket is bound and
// whichever methods are used; also the answer to a datagram that was there before.
func TestAnswersLeaveFromTheAddressAsked(t *testing.T) {
	type echo func(*udpConn, []byte) error
	general := func(c *udpConn, buf []byte) error {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, ok := from.(*net.UDPAddr); !ok {
			t.Errorf("the sender is a %T", from)
		}
		_, err = c.WriteTo(buf[:n], from)
		return err
	}
	special := func(c *udpConn, buf []byte) error {
		n, from, err := c.ReadFromUDP(buf)
		if err != nil {
			return err
		}
		copied := *from // as an application keeps it
		_, err = c.WriteToUDP(buf[:n], &copied)
		return err
	}
	for _, test := range []struct {
		network, bound, asked string
		echo                  echo
	}{
		{"udp4", "0.0.0.0:0", "127.0.0.7", general},
		{"udp4", "0.0.0.0:0", "127.0.0.7", special},
		{"udp", "[::]:0", "127.0.0.7", general},
		{"udp", "[::]:0", "127.0.0.7", special},
		{"udp", "[::]:0", "::1", general},
		{"udp6", "[::]:0", "::1", special},
		{"udp4", "127.0.0.7:0", "127.0.0.7", general},
		{"udp4", "127.0.0.7:0", "127.0.0.7", special},
	} {
		t.Run(test.network+" "+test.bound+" "+test.asked, func(t *testing.T) {
			testkit.CheckLeaks(t)
			inner, err := net.ListenPacket(test.network, test.bound)
			if err != nil {
				t.Fatal(err)
			}
			s := gated()
			pc := s.PacketConn("x", inner).(*udpConn)
			s.Open()
			port := inner.LocalAddr().(*net.UDPAddr).Port
			// A connected socket takes no datagrams from elsewhere.
			client, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(test.asked), Port: port})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ask := func() {
				if _, err := client.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			}
			ask() // as the datagram for which systemd starts the service
			ended := make(chan error)
			go func() {
				buf := make([]byte, 8)
				for {
					if err := test.echo(pc, buf); err != nil {
						ended <- err
						return
					}
				}
			}()
			testkit.Within(t, "an answer", func() {
				for range 2 {
					if _, err := client.Read(make([]byte, 8)); err != nil {
						t.Error(err)
					}
					ask()
				}
			})
			pc.Close()
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// A datagram that is no answer goes the ordinary way.
func TestSendingToAnyone(t *testing.T) {
	inner, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := gated()
	pc := s.PacketConn("x", inner)
	defer pc.Close()
	s.Open()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: inner.LocalAddr().(*net.UDPAddr).Port}
	if _, err := pc.WriteTo([]byte("hello"), to); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	n, from, err := pc.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" || from.String() != to.String() {
		t.Errorf("%q from %v, %v", buf[:n], from, err)
	}
}

// An address carries its answer as long as its IP stays as it is, and nothing else does.
func TestCarry(t *testing.T) {
	made := func() *net.UDPAddr { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 53} }
	if answer := carried(made()); answer != nil {
		t.Errorf("an ordinary address carries %q", answer)
	}
	if answer := carried(nil); answer != nil {
		t.Errorf("no address carries %q", answer)
	}
	loaded := made()
	carry(loaded, []byte("answer"))
	if !loaded.IP.Equal(made().IP) || loaded.String() != made().String() {
		t.Errorf("it has become %v", loaded)
	}
	if answer := carried(loaded); string(answer) != "answer" {
		t.Errorf("it carries %q", answer)
	}
	if answer := carried(&net.UDPAddr{IP: loaded.IP.To4(), Port: 53}); string(answer) != "answer" {
		t.Errorf("as an address of IPv4 it carries %q", answer)
	}
	_ = append(loaded.IP, 1)
	if answer := carried(loaded); answer != nil {
		t.Errorf("overwritten, it carries %q", answer)
	}
}
