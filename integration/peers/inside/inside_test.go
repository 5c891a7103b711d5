// Package inside tests that other people's libraries find what they look for in the
// listeners, connections and packet conns of a service. docs/types.md has the lines that
// are written here.
package inside

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/instar-project/instar/reload"

	"github.com/gliderlabs/ssh"
	"github.com/miekg/dns"
	"github.com/pires/go-proxyproto"
	"github.com/tailscale/peercred"
	client "golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// limit is longer than any machine needs: no test measures time with it.
const limit = 30 * time.Second

// TestInside runs itself once more, as a service that has been handed sockets.
func TestInside(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		service(t)
		return
	}
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	must(t, err)
	packet, err := net.ListenPacket("udp", "[::]:0") // all addresses of both families
	must(t, err)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "-test.run=^TestInside$", "-test.v")
	cmd.Env = append(os.Environ(), "LISTEN_FDS=3", "LISTEN_FDNAMES=stream:local:packet")
	for _, socket := range []interface{ File() (*os.File, error) }{
		stream.(*net.TCPListener), local.(*net.UnixListener), packet.(*net.UDPConn),
	} {
		f, err := socket.File()
		must(t, err)
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// service is the service, and each of its tests is a library and its client.
func service(t *testing.T) {
	svc, err := reload.Open(reload.Config{Build: "test"})
	must(t, err)
	stream, err := svc.Listener("stream")
	must(t, err)
	local, err := svc.Listener("local")
	must(t, err)
	packet, err := svc.PacketConn("packet")
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- svc.Serve(ctx) }()
	defer func() {
		stop()
		must(t, <-ended)
	}()

	t.Run("pires/go-proxyproto", func(t *testing.T) { proxyProtocol(t, stream) })
	t.Run("tailscale/peercred", func(t *testing.T) { peerCredentials(t, local) })
	t.Run("TCP_INFO", func(t *testing.T) { tcpInfo(t, stream) })
	t.Run("the listener", func(t *testing.T) { listenerOptions(t, stream) })
	t.Run("miekg/dns", func(t *testing.T) { names(t, packet) })
	t.Run("gliderlabs/ssh", func(t *testing.T) { shell(t, stream) }) // closes the listener
}

// accepted dials a listener and accepts that, both closed at the end of the test.
func accepted(t *testing.T, ln net.Listener, first string) net.Conn {
	t.Helper()
	near, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	must(t, err)
	t.Cleanup(func() { near.Close() })
	_, err = near.Write([]byte(first))
	must(t, err)
	c, err := ln.Accept()
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(limit)))
	return c
}

func proxyProtocol(t *testing.T, ln net.Listener) {
	c := accepted(t, &proxyproto.Listener{Listener: ln}, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\nhello")
	if got := c.RemoteAddr().String(); got != "192.0.2.1:1234" {
		t.Errorf("the client is %s", got)
	}
	buf := make([]byte, 8)
	if n, err := c.Read(buf); string(buf[:n]) != "hello" {
		t.Errorf("it says %q, %v", buf[:n], err)
	}
	raw := c.(*proxyproto.Conn).Raw()
	if _, ok := raw.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
		t.Errorf("inside is no *net.TCPConn, but %T", raw)
	}
}

func peerCredentials(t *testing.T, ln net.Listener) {
	c := accepted(t, ln, "x")
	creds, err := peercred.Get(c.(interface{ NetConn() net.Conn }).NetConn())
	must(t, err)
	if pid, _ := creds.PID(); pid != os.Getpid() {
		t.Errorf("the client is process %d, not %d", pid, os.Getpid())
	}
}

func tcpInfo(t *testing.T, ln net.Listener) {
	raw, err := accepted(t, ln, "x").(syscall.Conn).SyscallConn()
	must(t, err)
	var info *unix.TCPInfo
	var infoErr error
	must(t, raw.Control(func(fd uintptr) { info, infoErr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }))
	must(t, infoErr)
	if info.Snd_mss == 0 {
		t.Errorf("TCP_INFO says %+v", info)
	}
}

func listenerOptions(t *testing.T, ln net.Listener) {
	raw, err := ln.(interface{ NetListener() net.Listener }).NetListener().(*net.TCPListener).SyscallConn()
	must(t, err)
	var optErr error
	must(t, raw.Control(func(fd uintptr) { optErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16) }))
	must(t, optErr)
}

// names asks at addresses that the route would not choose.
func names(t *testing.T, pc net.PacketConn) {
	server := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		if _, ok := w.RemoteAddr().(*net.UDPAddr); !ok {
			t.Errorf("the client's address is a %T", w.RemoteAddr())
		}
		_ = w.WriteMsg(new(dns.Msg).SetReply(query))
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	_, port, err := net.SplitHostPort(pc.LocalAddr().String())
	must(t, err)
	for range 10 {
		for _, host := range []string{"127.0.0.7", "127.0.0.1", "::1"} {
			query := new(dns.Msg).SetQuestion("who.", dns.TypeTXT)
			if _, _, err := (&dns.Client{Timeout: limit}).Exchange(query, net.JoinHostPort(host, port)); err != nil {
				t.Fatalf("asked at %s: %v", host, err)
			}
		}
	}
	must(t, server.Shutdown())
	must(t, <-ended)
}

func shell(t *testing.T, ln net.Listener) {
	server := &ssh.Server{
		Handler: func(s ssh.Session) { _ = s.Exit(7) },
		ConnCallback: func(_ ssh.Context, c net.Conn) net.Conn {
			if _, ok := c.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
				t.Errorf("inside is no *net.TCPConn, but %T", c)
			}
			return c
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	c, err := client.Dial("tcp", ln.Addr().String(), &client.ClientConfig{User: "x", HostKeyCallback: client.InsecureIgnoreHostKey()})
	must(t, err)
	session, err := c.NewSession()
	must(t, err)
	if err := session.Run("x"); err == nil || err.Error() != "Process exited with status 7" {
		t.Errorf("the session ends with %v", err)
	}
	c.Close()
	must(t, server.Shutdown(t.Context()))
	if err := <-ended; err != ssh.ErrServerClosed {
		t.Error(err)
	}
}
