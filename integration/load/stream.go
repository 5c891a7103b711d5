package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// maxLine is longer than the echo of any line the clients send.
const maxLine = 512

// linesAtOnce is how many lines a stream sends before it reads the first echo:
// an upgrade shall find lines on their way in both directions.
const linesAtOnce = 4

// A streamClient holds one echo stream after another. It belongs to one
// goroutine.
type streamClient struct {
	config *Config
	tally  *tally
	end    Endpoint
}

func (c *streamClient) run(ctx context.Context) {
	p := newPace(Clients{Count: c.config.Stream.Count * linesAtOnce, Rate: c.config.Stream.Rate}, time.Now())
	for n := 1; p.wait(ctx); n++ {
		c.tally.count(func(n *Counts) { n.Streams++; n.StreamsOpen++ })
		lines, err := c.stream(ctx, p, n)
		if err != nil {
			reason := fmt.Errorf("stream on %v, after %d lines: %w", c.end, lines, err)
			c.tally.fail(reason, func(n *Counts) { n.StreamsOpen--; n.StreamsBroken++ })
			continue
		}
		c.tally.count(func(n *Counts) { n.StreamsOpen-- })
	}
}

// stream opens a stream, uses it for its life and closes it. It returns how
// many lines came back well.
func (c *streamClient) stream(ctx context.Context, p *pace, number int) (lines int, err error) {
	conn, err := dial(c.config, c.end)
	if err != nil {
		return 0, fmt.Errorf("no connection: %w", err)
	}
	defer conn.Close()

	e := newEcho(c.end.Network, conn)
	end := time.Now().Add(pick(c.config.StreamLife))
	for first := true; first || time.Now().Before(end); first = false {
		if err := within(conn, c.config.Timeout); err != nil {
			return lines, err
		}
		for i := range linesAtOnce {
			if err := e.send(line(number, lines+i)); err != nil {
				return lines, fmt.Errorf("the line could not be sent: %w", err)
			}
		}
		for range linesAtOnce {
			generation, err := e.receive(line(number, lines))
			if err != nil {
				return lines, err
			}
			lines++
			c.tally.answered(c.tally.echo, generation, "", func(n *Counts) { n.StreamLines++ })
		}
		if !p.wait(ctx) {
			break
		}
	}
	return lines, e.finish(c.config.Timeout)
}

// line returns a line that occurs once in all streams of a client, of a length
// that varies.
func line(stream, number int) string {
	return fmt.Sprintf("stream %d line %d %s", stream, number, strings.Repeat("x", number*37%201))
}

// An echo is one connection to the echo service. A line on a byte stream is a
// packet on a seqpacket socket.
type echo struct {
	conn    net.Conn
	reader  *bufio.Reader
	newline string // ends a line; "" where the socket keeps the boundaries
}

func newEcho(network string, conn net.Conn) *echo {
	e := &echo{conn: conn, reader: bufio.NewReaderSize(conn, maxLine), newline: "\n"}
	if network == "unixpacket" {
		e.newline = ""
	}
	return e
}

func (e *echo) send(line string) error {
	_, err := io.WriteString(e.conn, line+e.newline)
	return err
}

// receive reads the echo of one line and checks it. It returns the generation
// that answered.
func (e *echo) receive(want string) (generation int, err error) {
	var got []byte
	if e.newline == "" {
		packet := make([]byte, maxLine)
		var n int
		n, err = e.conn.Read(packet)
		got = packet[:n]
	} else {
		got, err = e.reader.ReadSlice('\n')
	}
	if err != nil {
		return 0, fmt.Errorf("waiting for the echo of %.40q: %w", want, err)
	}
	return parseEcho(string(bytes.TrimSuffix(got, []byte(e.newline))), want)
}

// finish closes the stream as a client does that has had all it wanted: it says
// so, and expects nothing more but the same from the other side.
func (e *echo) finish(timeout time.Duration) error {
	half, ok := e.conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return fmt.Errorf("closing the stream: %w", err)
	}
	if err := within(e.conn, timeout); err != nil {
		return err
	}
	rest := make([]byte, maxLine)
	n, err := e.reader.Read(rest)
	if n > 0 {
		return fmt.Errorf("%.40q came after the last echo", rest[:n])
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end of the stream: %w", err)
	}
	return nil
}

// parseEcho splits "GENERATION payload" and compares the payload with that of the
// question.
func parseEcho(got, want string) (generation int, err error) {
	number, payload, spaced := strings.Cut(got, " ")
	if !spaced || payload != want {
		return 0, fmt.Errorf("%.60q came back for %.40q", got, want)
	}
	return parseGeneration(number)
}
