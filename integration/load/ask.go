package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Send opens a connection on TCP with one request on it, the last one there. The deadline
// of ctx, if it has one, is the connection's.
func Send(ctx context.Context, dial DialFunc, address, path string) (net.Conn, error) {
	c, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = c.SetDeadline(deadline)
	}
	if err == nil {
		_, err = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Answer reads an answer, whose body is closed. It is an error if its status is not 200.
func Answer(r *bufio.Reader) (*http.Response, error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	return response, nil
}

// Ask makes one request on a connection of its own.
func Ask(ctx context.Context, dial DialFunc, address, path string) (*http.Response, error) {
	c, err := Send(ctx, dial, address, path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return Answer(bufio.NewReader(c))
}
