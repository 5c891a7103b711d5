package reload

import (
	"net"
	"testing"

	"github.com/instar-project/instar/internal/testkit"
)

// An answer comes from the address that was asked, whichever way the socket is bound.
func TestMultihomed(t *testing.T) {
	for _, c := range []struct{ network, bound, asked string }{
		{"udp4", "0.0.0.0:0", "127.0.0.7"},
		{"udp", "[::]:0", "127.0.0.7"},
		{"udp", "[::]:0", "::1"},
		{"udp6", "[::]:0", "::1"},
		{"udp4", "127.0.0.7:0", "127.0.0.7"},
	} {
		t.Run(c.network+" "+c.bound+" "+c.asked, func(t *testing.T) {
			testkit.CheckLeaks(t)
			inner, err := net.ListenPacket(c.network, c.bound)
			if err != nil {
				t.Fatal(err)
			}
			s := gated()
			pc := s.intake.PacketConn("x", inner)
			s.intake.Open()
			port := inner.LocalAddr().(*net.UDPAddr).Port
			// A connected socket takes no datagrams from elsewhere.
			client, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(c.asked), Port: port})
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
			server := Packets(pc, func(datagram []byte, from net.Addr) []byte {
				if _, ok := from.(*net.UDPAddr); !ok {
					t.Errorf("the sender is a %T", from)
				}
				return datagram
			})
			ended := make(chan error)
			go func() { ended <- server.Serve() }()
			testkit.Within(t, "an answer", func() {
				for range 2 {
					if _, err := client.Read(make([]byte, 8)); err != nil {
						t.Error(err)
					}
					ask()
				}
			})
			server.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// What is no answer goes the ordinary way.
func TestMultihomedSendsToAnyone(t *testing.T) {
	inner, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := Multihomed(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := pc.WriteTo([]byte("hello"), pc.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	n, from, err := pc.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" || from.String() != pc.LocalAddr().String() {
		t.Errorf("%q from %v, %v", buf[:n], from, err)
	}
}

func TestMultihomedTakesUDP(t *testing.T) {
	pc, err := net.ListenPacket("unixgram", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := Multihomed(pc); err == nil {
		t.Error("it takes a Unix socket")
	}
}
