package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path"
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

// counts ends the client and returns what it has counted.
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
