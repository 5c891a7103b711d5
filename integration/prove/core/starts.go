package core

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/instar-project/instar/integration/load"
)

// starts is a client of the probe that starts the example's binary.
type starts struct {
	dial    load.DialFunc
	control net.Conn
	answers *bufio.Reader
}

func openStarts(ctx context.Context, dial load.DialFunc) (*starts, error) {
	c, err := dial(ctx, "unix", startControl)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			c.Close()
			return nil, err
		}
	}
	return &starts{dial: dial, control: c, answers: bufio.NewReader(c)}, nil
}

func (s *starts) Close() error { return s.control.Close() }

// start returns the nanoseconds from exec to the first answer. The request has
// been waiting in the backlog.
func (s *starts) start(ctx context.Context) (ns float64, err error) {
	if _, err := s.tell("arm"); err != nil {
		return 0, err
	}
	c, err := load.Send(ctx, s.dial, startAddress, "/")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	reply, err := s.tell("start")
	if err != nil {
		return 0, err
	}
	began, err := strconv.ParseInt(reply, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the probe has started the program at %q", reply)
	}
	if _, err := load.Answer(bufio.NewReader(c)); err != nil {
		return 0, err
	}
	ended, err := now()
	if err != nil {
		return 0, err
	}
	_, err = s.tell("stop")
	return float64(ended - began), err
}

func (s *starts) tell(word string) (reply string, err error) {
	if _, err := fmt.Fprintln(s.control, word); err != nil {
		return "", fmt.Errorf("tell the probe to %s: %w", word, err)
	}
	if reply, err = s.answers.ReadString('\n'); err != nil {
		return "", fmt.Errorf("the probe does not %s; journalctl -u start in the machine says why: %w", word, err)
	}
	return strings.TrimSpace(reply), nil
}
