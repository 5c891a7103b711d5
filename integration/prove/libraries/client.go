package libraries

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/instar-project/instar/integration/stage"
)

// ask is where the clients are in the machine: integration/peers/ask.
const ask = "/opt/ask/ask"

// client is a client that runs in the machine.
type client struct {
	protocol string
	cmd      *exec.Cmd
	stdin    io.Closer
	stdout   *bufio.Reader
	stderr   strings.Builder
}

// start starts a client, and returns when all that it holds open is under way.
func start(ctx context.Context, s *stage.Stage, protocol, address string) (*client, error) {
	c := &client{protocol: protocol, cmd: s.Command(ctx, ask, protocol, address)}
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.stdout = bufio.NewReader(stdout)
	if line, err := c.stdout.ReadString('\n'); line != "begun\n" {
		return nil, fmt.Errorf("the client of %s does not begin: %q, %v: %s", protocol, line, err, &c.stderr)
	}
	return c, nil
}

// end ends the client and returns its counts.
func (c *client) end() (tally, error) {
	c.stdin.Close()
	var counts map[string]int
	if err := json.NewDecoder(c.stdout).Decode(&counts); err != nil {
		return tally{}, fmt.Errorf("the client of %s does not end: %w: %s", c.protocol, err, &c.stderr)
	}
	return count(c.protocol, counts), c.cmd.Wait()
}

// tally is the counts of a client.
type tally struct {
	done   int         // answers, and sessions that have finished
	lost   int         // requests without an answer, and answers that are not whole
	told   []time.Time // when a connection was told to go
	cut    []time.Time // when one was cut
	missed []time.Time // when a query was given up
	losses []string    // the words for each kind of loss
}

func count(protocol string, counts map[string]int) (t tally) {
	for words, n := range counts {
		kind, rest, _ := strings.Cut(words, " ")
		switch kind {
		case "answered", "finished":
			t.done += n
		case "told":
			t.told = append(t.told, moments(rest, n)...)
		case "missed":
			t.missed = append(t.missed, moments(rest, n)...)
		case "cut":
			t.cut = append(t.cut, moments(rest, n)...)
		default:
			t.lost += n
			t.losses = append(t.losses, fmt.Sprintf("%s: %d times %s", protocol, n, words))
		}
	}
	return t
}

// moments parses "at MICROSECONDS", which was counted n times.
func moments(text string, n int) (all []time.Time) {
	_, number, _ := strings.Cut(text, " ")
	micro, err := strconv.ParseInt(number, 10, 64)
	for range n {
		if err == nil {
			all = append(all, time.UnixMicro(micro))
		}
	}
	return all
}
