package setup

import (
	"strings"
	"testing"

	"github.com/instar-project/instar/internal/units"
)

func TestParseListen(t *testing.T) {
	for _, c := range []struct {
		in, name string
		want     units.Listen
	}{
		{"8080", "http", units.Stream("8080")},
		{"443", "https", units.Stream("443")},
		{"7000", "tcp-7000", units.Stream("7000")},
		{"127.0.0.1:8080", "http", units.Stream("127.0.0.1:8080")},
		{"[::1]:53", "dns", units.Stream("[::1]:53")},
		{"udp:53", "dns", units.Datagram("53")},
		{"udp:[::1]:7000", "udp-7000", units.Datagram("[::1]:7000")},
		{"tcp:80", "http", units.Stream("80")},
		{"web=80", "web", units.Stream("80")},
		{"web=udp:127.0.0.1:80", "web", units.Datagram("127.0.0.1:80")},
		{"/run/web/admin.sock", "admin", units.Stream("/run/web/admin.sock")},
		{"/run/a=b", "a=b", units.Stream("/run/a=b")},
		{"/run/c:d", "c_d", units.Stream("/run/c:d")},
		{"%t/web.socket", "web", units.Stream("%t/web.socket")},
		{"@web", "web", units.Stream("@web")},
		{"datagram:/run/log.sock", "log", units.Datagram("/run/log.sock")},
		{"packets=seqpacket:/run/p", "packets", units.SequentialPacket("/run/p")},
		{"vsock::70000", "tcp-70000", units.Stream("vsock::70000")},
	} {
		name, l, err := ParseListen(c.in)
		if err != nil || name != c.name || l != c.want {
			t.Errorf("%s: %q, %v, %v; want %q, %v", c.in, name, l, err, c.name, c.want)
		}
	}
	for _, c := range []string{
		"", "=80", "web=", "0", "65536", "-1", "http", "host:", "host:http", "@", "/", "udp:", "udp:/run/x", "tcp:@x",
		"seqpacket:80", "/" + strings.Repeat("x", 107),
	} {
		if name, l, err := ParseListen(c); err == nil {
			t.Errorf("%q: %q, %v and no error", c, name, l)
		}
	}
}

func TestSockets(t *testing.T) {
	sockets, err := Sockets([]string{"8080", "admin=/run/a", "http=80", "udp:53"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sockets {
		got = append(got, s.Name)
		for _, l := range s.Listen {
			got = append(got, l.Address)
		}
	}
	if s := strings.Join(got, " "); s != "http 8080 80 admin /run/a dns 53" {
		t.Error(s)
	}
}

// units.Write takes everything that ParseListen takes, except some names.
func FuzzParseListen(f *testing.F) {
	for _, s := range []string{"8080", "a=udp:[::1]:53", "seqpacket:/run/x.sock", "@a=b", "%t/%n", "vsock:2:1", "/ /", "x=y=z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, l, err := ParseListen(s)
		if err != nil {
			return
		}
		_, err = units.Write(units.Service{
			Name: "web", ExecStart: []string{"/opt/web"},
			Sockets: []units.Socket{{Name: name, Listen: []units.Listen{l}}},
		})
		if err != nil && !strings.Contains(err.Error(), "Name") && !strings.Contains(err.Error(), "is not one word") {
			t.Errorf("%q: %q, %v: %v", s, name, l, err)
		}
	})
}
