package activation

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// service is a process of the test binary that a shell turns into: the shell
// knows its PID before it execs, as systemd does after its fork.
//
// Assignments are shell words such as LISTEN_PID=$$; files become descriptors
// 3, 4, …
func service(t *testing.T, script, assignments string, files ...*os.File) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", assignments+` exec "$0"`, self)
	cmd.Env = append(withoutSystemd(os.Environ()), "ACTIVATION_TEST_HELPER="+script,
		"GORACE=atexit_sleep_ms=0") // or the race detector makes every helper wait a second
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	return cmd
}

// withoutSystemd leaves out the variables of the test's own start.
func withoutSystemd(environ []string) []string {
	var kept []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "LISTEN_") && !strings.HasPrefix(v, "SYSTEMD_EXEC_PID=") {
			kept = append(kept, v)
		}
	}
	return kept
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// tcpFile returns a listening socket as a file to pass on, and its address.
func tcpFile(t *testing.T) (*os.File, string) {
	t.Helper()
	fd := tcpSocket(t)
	f := os.NewFile(uintptr(fd), "tcp")
	t.Cleanup(func() { f.Close() })
	return f, boundTo(t, fd)
}

func udpFile(t *testing.T) *os.File {
	t.Helper()
	f := os.NewFile(uintptr(udpSocket(t)), "udp")
	t.Cleanup(func() { f.Close() })
	return f
}

func TestTake(t *testing.T) {
	checkLeaks(t)
	tcp, _ := tcpFile(t)
	cmd := service(t, "entries environment", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=http:dns", tcp, udpFile(t))
	want := "http fd 3 cloexec true a TCP listener\n" +
		"dns fd 4 cloexec true a UDP socket\n"
	if got := output(t, cmd); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTakeServes(t *testing.T) {
	checkLeaks(t)
	tcp, addr := tcpFile(t)
	cmd := service(t, "echo=http", "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http", tcp)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The socket listens before the service runs: that is the point of it.
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantEcho(t, conn)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "echoed over tcp\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("echo = %q, %v; want hello", buf[:n], err)
	}
}

// The errors of a process that was passed nothing, for each way to get there.
func TestTakeNothing(t *testing.T) {
	checkLeaks(t)
	const byHand = "start the program by the .socket unit with FileDescriptorName=http, " +
		"or by hand: systemd-socket-activate --fdname=http -l PORT ./activation.test\n"
	tests := []struct{ what, script, assignments, want string }{
		{"started by hand", "listener=http", "",
			`activation: Listener("http"): no sockets were passed to this process (LISTEN_FDS is not set): ` + byHand},
		{"a file cannot be made by hand", "file=pipe", "",
			`activation: File("pipe"): no sockets were passed to this process (LISTEN_FDS is not set): start the program by the .socket unit with FileDescriptorName=pipe` + "\n"},
		{"started by systemd without its socket", "listener=http", "SYSTEMD_EXEC_PID=$$",
			`activation: Listener("http"): systemd started this service without sockets (LISTEN_FDS is not set): ` +
				"give the .service a .socket unit of the same name, or name it in Sockets=, and start the .socket before the .service; if all that is so, the .socket was edited while it ran: systemctl restart both\n"},
		{"a wrapper that does not exec", "listener=http environment", "LISTEN_PID=1 LISTEN_FDS=1",
			`activation: Listener("http"): the sockets were passed to another process (LISTEN_PID="1", this one is {pid}): ` +
				"a wrapper in ExecStart= must exec the program, not start it as its child\n"},
		{"no PID", "listener=http environment", "LISTEN_FDS=1",
			`activation: Listener("http"): LISTEN_FDS="1" came without LISTEN_PID: ` +
				"the starter of the program must set LISTEN_PID to the program's own PID: sh -c 'LISTEN_PID=$$ exec ./activation.test'\n"},
		{"taken twice", "take-again listener=http", "LISTEN_PID=$$ LISTEN_FDS=1",
			`activation: Listener("http"): no sockets were passed to this process (LISTEN_FDS is not set): ` + byHand},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			tcp, _ := tcpFile(t)
			if got := output(t, service(t, tt.script, tt.assignments, tcp)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestTakeMalformed(t *testing.T) {
	checkLeaks(t)
	const tail = "; the starter of this process must set it as sd_listen_fds(3) says\n"
	tests := []struct{ what, assignments, want string }{
		{"count", "LISTEN_PID=$$ LISTEN_FDS=one", `LISTEN_FDS="one": not a decimal number from 1 to 1048576`},
		// Descriptor 4 may be free, or the runtime's own: neither was passed.
		{"fewer descriptors than promised", "LISTEN_PID=$$ LISTEN_FDS=40", `LISTEN_FDS="40": fd `},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			tcp, _ := tcpFile(t)
			got := output(t, service(t, "entries", tt.assignments, tcp))
			if !strings.HasPrefix(got, "activation: malformed environment: "+tt.want) || !strings.HasSuffix(got, tail) {
				t.Errorf("got  %swant %s…%s", got, tt.want, tail)
			}
		})
	}
}

func TestAdopt(t *testing.T) {
	// Descriptor 3 of the test process is open and close-on-exec, or not open at
	// all: in neither case was it passed.
	flags, err := unix.FcntlInt(firstFD, unix.F_GETFD, 0)
	want := "fd 3 was not passed, or has been taken already: it is marked close-on-exec"
	switch {
	case err != nil:
		want = "fd 3 is not open"
	case flags&unix.FD_CLOEXEC == 0:
		t.Skip("whatever started the tests passed them fd 3")
	}
	if err := adopt(1); err == nil || !strings.Contains(err.Error(), `LISTEN_FDS="1": `+want) {
		t.Errorf("adopt = %v, want %s", err, want)
	}
}

// LISTEN_PIDFDID as systemd 259 sets it, from the outside of the process.
func TestTakePIDFDID(t *testing.T) {
	if ownPIDFDID() == 0 {
		t.Skip("no pidfs (Linux 6.9 and later, 64 bit): LISTEN_PIDFDID is not compared here")
	}
	checkLeaks(t)
	for _, tt := range []struct {
		what  string
		other uint64 // added to the true number
		want  string
	}{
		{"own", 0, "http fd 3 cloexec true a TCP listener\n<nil>\n"},
		{"of an earlier process with this PID", 1,
			`activation: Listener("http"): the sockets were passed to an earlier process with the same PID (LISTEN_PIDFDID="{id}" is not this one): unset the LISTEN_* variables where they are inherited from` + "\n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			tcp, _ := tcpFile(t)
			cmd := service(t, "entries listener=http",
				"read id; export LISTEN_PID=$$ LISTEN_PIDFDID=$id LISTEN_FDS=1 LISTEN_FDNAMES=http;", tcp)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			cmd.Stdout = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			id := pidfdInode(t, cmd.Process.Pid) + tt.other
			fmt.Fprintln(stdin, id)
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tt.want, "{id}", fmt.Sprint(id))
			if out.String() != want {
				t.Errorf("got\n%swant\n%s", out.String(), want)
			}
		})
	}
}

func pidfdInode(t *testing.T, pid int) uint64 {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}
