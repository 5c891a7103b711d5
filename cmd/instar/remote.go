package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"
)

// destination is where -H leads.
type destination struct {
	host string // "[USER@]HOST", as ssh(1) takes it
	port int    // 0: the one that ssh takes by itself
}

// parseDestination reads "[USER@]HOST[:PORT]", as systemctl -H has it; an IPv6
// address with a port stands in brackets.
func parseDestination(s string) (destination, error) {
	refuse := func(why string) (destination, error) {
		return destination{}, misuse(fmt.Errorf("--host=%s: %s: want [USER@]HOST[:PORT]", s, why))
	}
	switch {
	case strings.Contains(s, "/"):
		return refuse("no containers")
	case strings.HasPrefix(s, "-"):
		return refuse("a name that begins with -") // ssh would take it for an option
	}
	// ssh may give it to a shell, by ProxyCommand and Match exec of ssh_config(5).
	if i := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-:%@[]", r)
	}); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return refuse(fmt.Sprintf("no name of a user or a machine has %q in it", r))
	}
	user, host, ok := strings.Cut(s, "@")
	if !ok {
		user, host = "", s
	}
	d := destination{}
	if h, port, err := net.SplitHostPort(host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return refuse("no such port")
		}
		host, d.port = h, int(n)
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	switch {
	case host == "" || ok && user == "":
		return refuse("no name")
	case strings.HasPrefix(host, "-"):
		return refuse("a name that begins with -")
	}
	d.host = host
	if ok {
		d.host = user + "@" + host
	}
	return d, nil
}

// ssh is the command line that runs a command there.
func (d destination) ssh(command ...string) []string {
	argv := []string{"ssh", "-xT"}
	if d.port != 0 {
		argv = append(argv, "-p", strconv.Itoa(d.port))
	}
	argv = append(argv, "--", d.host)
	for _, word := range command {
		argv = append(argv, quote(word)) // a shell reads it
	}
	return argv
}

// quote makes one word of sh(1) of s.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:@,+%", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// bridge is a connection to a bus by way of a command's standard input and output:
// ssh(1) with systemd-stdio-bridge(1) at the other end. Reads may go on beside a
// write and Close, as they may on a net.Conn.
type bridge struct {
	io.WriteCloser
	io.Reader
	cmd  *exec.Cmd
	end  sync.Once
	died error
}

// openBridge starts argv. Its messages, about keys and refused connections, go to
// stderr.
func openBridge(argv []string) (*bridge, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &bridge{WriteCloser: stdin, Reader: stdout, cmd: cmd}, nil
}

// Read fails with the reason when the command has ended by itself, and so does Write.
func (b *bridge) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.reason(err)
	}
	return n, err
}

func (b *bridge) Write(p []byte) (int, error) {
	n, err := b.WriteCloser.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = b.reason(err)
	}
	return n, err
}

// reason is why the command has ended, or err if it has done so well.
func (b *bridge) reason(err error) error {
	b.wait()
	if b.died == nil {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(b.cmd.Args, " "), b.died)
}

// Close ends the command.
func (b *bridge) Close() error {
	_ = b.cmd.Process.Kill() // fails if it has ended
	b.wait()
	return nil
}

func (b *bridge) wait() { b.end.Do(func() { b.died = b.cmd.Wait() }) }
