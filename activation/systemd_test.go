package activation

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// activator is a running systemd-socket-activate that starts the test binary as
// its service when the first client comes.
type activator struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
}

// activate starts systemd-socket-activate with the given options and one address
// to listen at, and waits until it does listen.
func activate(t *testing.T, script, address string, options ...string) *activator {
	t.Helper()
	const tool = "systemd-socket-activate"
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed (Debian package systemd): %v", tool, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	options = append(options, "--listen="+address, "--setenv=ACTIVATION_TEST_HELPER="+script, self)
	cmd := exec.Command(tool, options...)
	cmd.Env = append(withoutSystemd(os.Environ()), "SYSTEMD_LOG_TARGET=console", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_COLOR=0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewReader(stderr)
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatalf("%s ended before it listened: %q, %v", tool, line, cmd.Wait())
		}
		if strings.HasPrefix(line, "Listening on ") {
			break
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, log)
	}()
	t.Cleanup(func() {
		// It may have turned into the service and ended; with --accept it never does.
		cmd.Process.Kill()
		<-drained
		cmd.Wait()
	})
	return &activator{cmd, bufio.NewReader(stdout)}
}

// want reads one line of the service's output.
func (a *activator) want(t *testing.T, line string) {
	t.Helper()
	got, err := a.stdout.ReadString('\n')
	if err != nil || got != line+"\n" {
		t.Errorf("service said %q, %v\nwant         %q", got, err, line)
	}
}

func dialUnix(t *testing.T, network, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSocketActivate(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "entries environment echo=http", path, "--fdname=http")
	wantEcho(t, dialUnix(t, "unix", path))
	a.want(t, "http fd 3 cloexec true a Unix stream listener")
	a.want(t, "echoed over unix")
}

func TestSocketActivateSeqpacket(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "echo=control", path, "--seqpacket", "--fdname=control")
	wantEcho(t, dialUnix(t, "unixpacket", path))
	a.want(t, "echoed over unixpacket")
}

func TestSocketActivateDatagram(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "receive=log", path, "--datagram", "--fdname=log")
	if _, err := dialUnix(t, "unixgram", path).Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	a.want(t, `received "hello" over unixgram`)
}

// With --accept it acts like a .socket unit with Accept=yes.
func TestSocketActivateAccept(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "listener=http", path, "--accept", "--fdname=http")
	dialUnix(t, "unix", path)
	a.want(t, `activation: Listener("http"): fd 3 is a single connection on `+path+`, not a listener: `+
		`set Accept=no in the .socket unit with FileDescriptorName=http, so that the listening socket itself is passed`)
}

func TestSocketActivateUnnamed(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "listener=http", path)
	dialUnix(t, "unix", path)
	a.want(t, `activation: Listener("http"): no socket of that name was passed, only "unknown": `+
		`set FileDescriptorName=http in its .socket unit, or give systemd-socket-activate --fdname=http: "unknown" is a descriptor passed without a name`)
}

func TestSocketActivateWrongType(t *testing.T) {
	checkLeaks(t)
	path := filepath.Join(t.TempDir(), "socket")
	a := activate(t, "listener=http", path, "--datagram", "--fdname=http")
	if _, err := dialUnix(t, "unixgram", path).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	a.want(t, `activation: Listener("http"): fd 3 is a Unix datagram socket on `+path+` (ListenDatagram=), not a listener: `+
		`use ListenStream= or ListenSequentialPacket= in the .socket unit with FileDescriptorName=http, or get it with PacketConn("http")`)
}
