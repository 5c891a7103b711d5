package core

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// dialer is net.Dialer.DialContext, or a machine's Dial.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// ask makes one request on a connection of its own and returns the generation
// that answers.
func ask(ctx context.Context, dial dialer, address string) (generation int, err error) {
	c, err := request(ctx, dial, address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return answer(c)
}

// request returns a connection with a request sent on it.
func request(ctx context.Context, dial dialer, address string) (net.Conn, error) {
	c, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = c.SetDeadline(deadline)
	}
	if err == nil {
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func answer(c net.Conn) (generation int, err error) {
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("answer %s", response.Status)
	}
	return strconv.Atoi(response.Header.Get("X-Generation"))
}
