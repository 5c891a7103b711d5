package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// held is a request that the generation which has accepted it has under way until it is
// released. The service is integration/faulty.
type held struct {
	net.Conn
	answer     *http.Response
	generation int
}

func (s *site) hold() *held {
	s.Helper()
	c, err := s.manager.Host().Dial(s.ctx, "tcp", webAddress)
	s.must(err)
	s.Cleanup(func() { c.Close() })
	_, err = io.WriteString(c, "POST /hold HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 1\r\n\r\n")
	s.must(err)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	s.must(err)
	generation, err := strconv.Atoi(answer.Header.Get("X-Generation"))
	s.must(err)
	return &held{c, answer, generation}
}

// release lets the request end, and returns an error if it was cut off.
func (h *held) release() error {
	defer h.Close()
	if _, err := h.Write([]byte("x")); err != nil {
		return err
	}
	return h.end()
}

// end waits for the end of the answer.
func (h *held) end() error {
	text, err := io.ReadAll(h.answer.Body)
	if err == nil && string(text) != "x" {
		err = fmt.Errorf("the answer is %q", text)
	}
	return err
}
