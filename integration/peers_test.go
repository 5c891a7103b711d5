package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"
)

// peer is a service of integration/peers with the sockets it asks for; each is the text
// of its [Socket] section.
func (s *site) peer(service string, sockets map[string]string, settings ...string) {
	s.Helper()
	s.release(service, path.Join("integration/peers", service), "version=v1")
	var units []string
	for name, text := range sockets {
		unit := service + "-" + name + ".socket"
		s.must(s.manager.InstallUnit(unit, "[Socket]\nService="+service+".service\nFileDescriptorName="+name+"\n"+text+"\n"))
		units = append(units, unit)
	}
	s.must(s.manager.InstallUnit(service+".service", "[Service]\nType=notify-reload\nNotifyAccess=main\nExecStart="+s.binary(service)+
		"\nRestart=always\nRestartSec=100ms\nSockets="+strings.Join(units, " ")+"\n"+strings.Join(settings, "\n")+"\n"))
	s.must(s.manager.DaemonReload(s.ctx))
	s.must(s.manager.Start(s.ctx, append(units, service+".service")...))
}

// peerClient is a client of integration/peers that runs in the machine.
type peerClient struct {
	*site
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

// asks starts a client, and returns when all that it holds open is under way.
func (s *site) asks(protocol, address string) *peerClient {
	s.Helper()
	const client = "/opt/ask/ask"
	bin, err := builder.Build(s.ctx, "integration/peers/ask")
	s.must(err)
	s.must(s.manager.Host().CopyIn(bin, client, 0o755))
	cmd := s.manager.Host().Command(s.ctx, client, protocol, address)
	stdin, err := cmd.StdinPipe()
	s.must(err)
	stdout, err := cmd.StdoutPipe()
	s.must(err)
	s.must(cmd.Start())
	c := &peerClient{s, cmd, stdin, bufio.NewReader(stdout)}
	if line, err := c.stdout.ReadString('\n'); line != "begun\n" {
		s.Fatalf("the client of %s does not begin: %q, %v\n%s", protocol, line, err, s.journal())
	}
	return c
}

// counts ends the client and returns its counts.
func (c *peerClient) counts() (counts map[string]int) {
	c.Helper()
	c.stdin.Close()
	c.must(json.NewDecoder(c.stdout).Decode(&counts))
	c.must(c.cmd.Wait())
	return counts
}

// lost fails the test if the client has lost anything, and returns its counts.
func (c *peerClient) lost() map[string]int {
	c.Helper()
	counts := c.counts()
	for what, n := range counts {
		if strings.HasPrefix(what, "lost") {
			c.Errorf("%d times %s; in all %v\n%s", n, what, counts, c.journal())
		}
	}
	return counts
}

// A DNS server by miekg/dns, which answers in goroutines of its own, ends its reader by
// a deadline, and is asked at one of several addresses. Nothing announces its work.
func TestDNS(t *testing.T) { onEach(t, nameService) }

func nameService(t *testing.T, s *site) {
	s.peer("dnsd", map[string]string{"dns": "ListenDatagram=0.0.0.0:5300"}, "TimeoutStopSec=infinity")
	queries := s.asks("dns", "127.0.0.7:5300")
	for range 2 {
		predecessor := s.mainPID("dnsd")
		s.upgrade("dnsd")
		s.gone(predecessor)
	}
	counts := queries.lost()
	for generation := 1; generation <= 3; generation++ {
		if counts[fmt.Sprint("answered by ", generation)] == 0 {
			t.Errorf("answers: %v", counts)
		}
	}
	s.must(s.manager.Stop(s.ctx, "dnsd.service"))
	if result := s.show("dnsd", "Result"); result != "success" {
		t.Errorf("Result=%s\n%s", result, s.journal())
	}
}

// Servers of libraries whose graceful end is the end of their Serve: nothing of the
// others is cut with them, and it is no failure, neither after an upgrade nor in a stop.
// They cannot serve again, so a take back ends in a start anew.
func TestServersThatEnd(t *testing.T) { onEach(t, serversThatEnd) }

func serversThatEnd(t *testing.T, s *site) {
	addresses := map[string]string{"grpc": "127.0.0.1:5301", "fast": "127.0.0.1:5302", "ssh": "127.0.0.1:5303", "http": "127.0.0.1:5304"}
	sockets := make(map[string]string)
	for name, address := range addresses {
		sockets[name] = "ListenStream=" + address
	}
	s.peer("mixed", sockets, "TimeoutStopSec=infinity")

	calls, fast := s.asks("grpc", addresses["grpc"]), s.asks("http", addresses["fast"])
	streams, sessions, slow := s.asks("grpc-stream", addresses["grpc"]), s.asks("ssh", addresses["ssh"]), s.asks("slow", addresses["http"])
	predecessor := s.mainPID("mixed")
	s.upgrade("mixed")
	s.gone(predecessor)
	for client, want := range map[*peerClient][]string{
		calls:    {"answered by 1", "answered by 2"},
		streams:  {"streams of 20"},
		fast:     {"answered by 1", "answered by 2"},
		sessions: {"sessions of 20"},
		slow:     {"answered by 1"},
	} {
		counts := client.lost()
		for _, what := range want {
			if counts[what] == 0 {
				t.Errorf("no %s, but %v", what, counts)
			}
		}
	}

	slow = s.asks("slow", addresses["http"])
	s.must(s.manager.Stop(s.ctx, "mixed.service"))
	if counts := slow.lost(); counts["answered by 2"] != 4 {
		t.Errorf("in a stop: %v", counts)
	}
	if result := s.show("mixed", "Result"); result != "success" {
		t.Errorf("Result=%s\n%s", result, s.journal())
	}

	s.must(s.manager.Start(s.ctx, "mixed.service"))
	slow = s.asks("slow", addresses["http"]) // keeps the predecessor
	s.upgrade("mixed")
	_, err := s.manager.Systemctl(s.ctx, "kill", "--kill-whom=main", "--signal=SIGKILL", "mixed.service")
	s.must(err)
	slow.counts()
	s.eventually("the predecessor says why it does not take back", func() bool {
		return strings.Contains(s.journal(), "the socket grpc (127.0.0.1:5301) was closed in the drain and is not served again")
	})
	s.eventually("systemd has started the service anew", func() bool { return s.show("mixed", "NRestarts") == "1" })
	if counts := s.asks("grpc-stream", addresses["grpc"]).lost(); counts["streams of 20"] != 4 {
		t.Errorf("after a take back that cannot be: %v", counts)
	}
}

// HTTP/3 by quic-go, which reads from the socket by itself: a bad release that listens
// before it comes to serve takes no connection, and a predecessor that drains does
// not spin.
func TestQUIC(t *testing.T) { onEach(t, quic) }

func quic(t *testing.T, s *site) {
	const quicAddress, httpAddress = "127.0.0.1:5305", "127.0.0.1:5306"
	s.peer("quicd", map[string]string{"quic": "ListenDatagram=" + quicAddress + "\nReceiveBuffer=4M", "http": "ListenStream=" + httpAddress})

	s.release("quicd", "integration/peers/quicd", "version=v2", "hang=yes")
	connections := s.asks("http3", quicAddress)
	if err := s.manager.Reload(s.ctx, "quicd.service"); err != nil {
		t.Logf("the reload: %v", err) // systemd says so from 258 on
	}
	if counts := connections.lost(); len(counts) != 1 {
		t.Errorf("a bad release has taken connections: %v\n%s", counts, s.journal())
	}
	if text := s.show("quicd", "StatusText"); !strings.Contains(text, "upgrade failed") {
		t.Errorf("StatusText=%s", text)
	}

	s.release("quicd", "integration/peers/quicd", "version=v3")
	slow := s.asks("slow", httpAddress) // keeps the predecessor
	predecessor := s.mainPID("quicd")
	successor := s.upgrade("quicd")
	began := [2]int{s.ticks(predecessor), s.ticks(successor)}
	connections = s.asks("http3", quicAddress)
	var used [2]int // in the drain
	s.eventually("the predecessor ends", func() bool {
		n := s.ticks(predecessor)
		if n > 0 {
			used = [2]int{n - began[0], s.ticks(successor) - began[1]}
		}
		return n == 0
	})
	slow.lost()
	connections.lost()
	if used[0] > used[1] {
		t.Errorf("the predecessor has used %d ticks of CPU time in its drain, its successor under load %d", used[0], used[1])
	}
}

// ticks is the CPU time that a process has used, 0 if it has gone.
func (s *site) ticks(pid int) (sum int) {
	s.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, ticks := range fields[11:13] { // of utime and stime, see proc_pid_stat(5)
		n, err := strconv.Atoi(ticks)
		s.must(err)
		sum += n
	}
	return sum
}
