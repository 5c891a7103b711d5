package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// echoSocket and echoService echo their input, one cat a connection.
const (
	echoSocket = `[Socket]
ListenStream=127.0.0.1:7
ListenStream=[::1]:7
ListenStream=/run/echo/stream
ListenSequentialPacket=/run/echo/packet
ListenStream=@echo
Accept=yes
`
	echoService = `[Service]
ExecStart=cat
StandardInput=socket
StandardOutput=socket
`
)

func installEcho(t *testing.T, m *Machine) {
	t.Helper()
	sys := m.System()
	must(t)(sys.InstallUnit("echo.socket", echoSocket))
	must(t)(sys.InstallUnit("echo@.service", echoService))
	must(t)(sys.DaemonReload(t.Context()))
	must(t)(sys.Start(t.Context(), "echo.socket"))
}

func TestDial(t *testing.T) {
	eachVersion(t, func(t *testing.T, m *Machine) {
		installEcho(t, m)
		for _, to := range []struct{ network, address string }{
			{"tcp", "127.0.0.1:7"},
			{"tcp", "localhost:7"},
			{"tcp4", ":7"},
			{"tcp", "[::1]:7"},
			{"tcp6", "localhost:7"},
			{"unix", "/run/echo/stream"},
			{"unix", "/var/run/echo/stream"}, // by a symlink to /run, an absolute one
			{"unixpacket", "/run/echo/packet"},
			{"unix", "@echo"},
		} {
			t.Run(to.network+" "+to.address, func(t *testing.T) {
				before := descriptors(t)
				conn, err := m.Dial(t.Context(), to.network, to.address)
				must(t)(err)
				_, err = io.WriteString(conn, "hello\n")
				must(t)(err)
				got, err := bufio.NewReader(conn).ReadString('\n')
				if got != "hello\n" {
					t.Errorf("the answer is %q, %v", got, err)
				}
				must(t)(conn.Close())
				if after := descriptors(t); after != before {
					t.Errorf("%d descriptors before, %d after", before, after)
				}
			})
		}
	})
}

func TestDialErrors(t *testing.T) {
	m := bootForTest(t, V257)
	for _, to := range []struct {
		network, address string
		is               error
		says             string
	}{
		{"tcp", "127.0.0.1:1", syscall.ECONNREFUSED, "dial tcp 127.0.0.1:1: connect: connection refused"},
		{"unix", "/run/nonesuch", os.ErrNotExist, "/run/nonesuch"},
		{"unix", "/run/systemd/private/x", syscall.ENOTDIR, ""},
		{"unix", "@nonesuch", syscall.ECONNREFUSED, ""},
		{"tcp", "example.org:80", nil, "IP address or localhost"},
		{"tcp4", "[::1]:7", nil, "not an address for tcp4"},
		{"ip", "127.0.0.1:7", net.UnknownNetworkError("ip"), ""},
	} {
		conn, err := m.Dial(t.Context(), to.network, to.address)
		var op *net.OpError
		if !errors.As(err, &op) || to.is != nil && !errors.Is(err, to.is) || !strings.Contains(err.Error(), to.says) {
			t.Errorf("Dial %s %s: %v, %v; want %v, %q", to.network, to.address, conn, err, to.is, to.says)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Dial(ctx, "tcp", "127.0.0.1:7"); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial with a context that is done: %v", err)
	}
}

// A dial that gets no answer is called off with its context.
func TestDialCanceled(t *testing.T) {
	m := bootForTest(t, V257)
	// A listener with a full queue answers no SYN.
	sys := m.System()
	must(t)(sys.InstallUnit("full.socket", "[Socket]\nListenStream=127.0.0.1:9\nBacklog=0\nService=full.service\n"))
	must(t)(sys.InstallUnit("full.service", "[Service]\nExecStart=sleep infinity\n"))
	must(t)(sys.DaemonReload(t.Context()))
	must(t)(sys.Start(t.Context(), "full.socket"))
	first, err := m.Dial(t.Context(), "tcp", "127.0.0.1:9")
	must(t)(err)
	defer first.Close()

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	before := descriptors(t)
	ended := make(chan error)
	go func() {
		_, err := m.Dial(ctx, "tcp", "127.0.0.1:9")
		ended <- err
	}()
	// The socket shows as SYN-SENT once the dial waits.
	for {
		text, err := m.Run(shortly(t), "ss", "-Htn", "state", "syn-sent")
		must(t)(err)
		if strings.TrimSpace(text) != "" {
			break
		}
	}
	cancel(enough)
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("error is %v; want the cause of the context", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// Many goroutines dial at once, and none is left in the machine's network.
func TestDialTransport(t *testing.T) {
	m := bootForTest(t, V257)
	sys := m.System()
	must(t)(sys.InstallUnit("web.socket", "[Socket]\nListenStream=127.0.0.1:80\nAccept=yes\nMaxConnections=1000\nTriggerLimitBurst=0\n"))
	must(t)(sys.InstallUnit("web@.service", "[Service]\nStandardInput=socket\nStandardOutput=socket\n"+
		// It reads to the empty line before it answers.
		`ExecStart=sh -c 'sed -n "/^.$$/q"; printf "HTTP/1.0 204 No Content\r\n\r\n"'`+"\n"))
	must(t)(sys.DaemonReload(t.Context()))
	must(t)(sys.Start(t.Context(), "web.socket"))

	here, err := os.Readlink("/proc/self/ns/net")
	must(t)(err)
	client := &http.Client{Transport: &http.Transport{DialContext: m.Dial, DisableKeepAlives: true}}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 4 {
				response, err := client.Get("http://localhost/")
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
				if response.StatusCode != http.StatusNoContent {
					t.Errorf("status is %s", response.Status)
				}
			}
		})
	}
	group.Wait()
	for _, link := range glob(t, "/proc/self/task/*/ns/net") {
		if ns, err := os.Readlink(link); err == nil && ns != here {
			t.Errorf("%s is %s; want %s", link, ns, here)
		}
	}
}

// BenchmarkDial compares a Dial into a machine with net.Dial on this host.
func BenchmarkDial(b *testing.B) {
	there, err := Boot(b.Context(), V257, Options{})
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnsupported) {
		b.Skip(err)
	} else if err != nil {
		b.Fatal(err)
	}
	defer there.Close()
	for _, host := range []Host{there, thisHost{}} {
		name := "machine"
		if host == (thisHost{}) {
			name = "host"
		}
		b.Run(name, func(b *testing.B) {
			ln, err := listenOn(host)
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					conn.Close()
				}
			}()
			for b.Loop() {
				conn, err := host.Dial(b.Context(), "tcp", ln.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				// The other side closes first, so that no port stays in TIME-WAIT here.
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		})
	}
}

// listenOn listens on a free port of a host from this process.
func listenOn(host Host) (net.Listener, error) {
	m, ok := host.(*Machine)
	if !ok {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	runtime.LockOSThread()
	if err := setns(m.network.there); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if back := setns(m.network.here); back != nil {
		return nil, fmt.Errorf("stuck in the machine: %w", back)
	}
	runtime.UnlockOSThread()
	return ln, err
}
