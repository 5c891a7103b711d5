package units

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Exactly the sockets that this process listens on are found by their addresses.
func TestListening(t *testing.T) {
	folder := t.TempDir()
	want := map[Listening]bool{}
	add := func(network, address string) {
		t.Helper()
		var err error
		var c interface{ Close() error }
		switch network {
		case "udp", "unixgram":
			c, err = net.ListenPacket(network, address)
		default:
			c, err = net.Listen(network, address)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		want[Listening{Network: network, Address: address}] = true
	}
	add("unix", filepath.Join(folder, "a b.sock"))
	add("unixpacket", "@units-test-packet")
	add("unixgram", filepath.Join(folder, "gram"))
	for _, host := range []string{"127.0.0.1", "::1"} {
		port := free(t, host)
		add("tcp", net.JoinHostPort(host, port))
		add("udp", net.JoinHostPort(host, port))
	}
	picked, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer picked.Close()
	client, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	mine, err := socketsOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range listening(os.Getpid(), mine) {
		if !want[l] {
			t.Errorf("it listens on %v as well", l)
		}
		delete(want, l)
	}
	for l := range want {
		t.Errorf("%v is not found", l)
	}
}

// free is an unused port that the kernel would not pick.
func free(t *testing.T, host string) string {
	t.Helper()
	for port := 20000; port < 30000; port++ {
		text := fmt.Sprint(port)
		l, err := net.Listen("tcp", net.JoinHostPort(host, text))
		if err != nil {
			continue
		}
		l.Close()
		if u, err := net.ListenPacket("udp", net.JoinHostPort(host, text)); err == nil {
			u.Close()
			return text
		}
	}
	t.Skipf("NOT RUN: no free port on %s", host)
	return ""
}

// A path that another socket is bound to, and one that is gone, are told from the one
// that is ours.
func TestLookAtPaths(t *testing.T) {
	folder := t.TempDir()
	listen := func(name string) (l *net.UnixListener) {
		t.Helper()
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(folder, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		t.Cleanup(func() { l.Close() })
		return l
	}
	var r Running
	for _, name := range []string{"ours", "gone", "replaced"} {
		listen(name)
		r.Sockets = append(r.Sockets, Listening{name, "unix", filepath.Join(folder, name)})
	}
	mine, err := socketsOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gone", "replaced"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	listen("replaced")
	r.lookAtPaths(mine)
	if len(r.Gone) != 1 || r.Gone[0].Name != "gone" || len(r.Replaced) != 1 || r.Replaced[0].Name != "replaced" {
		t.Errorf("gone %v, replaced %v", r.Gone, r.Replaced)
	}
}

func FuzzListening(f *testing.F) {
	f.Add("   0: 0100007F:26CB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5555 1 0 100 0 0 10 0")
	f.Add("  77: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 42 2 0 0")
	f.Add("0000000000000000: 00000002 00000000 00010000 0001 01 5556 /run/web.sock")
	f.Fuzz(func(t *testing.T, line string) {
		_, _, _ = diagOf([]byte(line))
		for _, parse := range []func(string) (uint64, Listening, bool){inetLine("tcp", "0A", portRange{}), inetLine("udp", "07", portRange{}), unixLine} {
			if _, l, ok := parse(line); ok && (l.Address == "" || !slices.Contains([]string{"tcp", "udp", "unix", "unixgram", "unixpacket"}, l.Network)) {
				t.Errorf("%q is %v", line, l)
			}
		}
	})
}
