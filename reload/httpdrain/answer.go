package httpdrain

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// http1Writer has the methods that net/http's http.ResponseWriter for HTTP/1 offers
// to handlers, and those that http.ResponseController looks for.
type http1Writer interface {
	http.ResponseWriter
	http.Flusher
	http.Hijacker
	io.ReaderFrom
	io.StringWriter
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
	CloseNotify() <-chan bool
}

// answer is an answer of HTTP/1. Its header says Connection: close if the server
// drains by the time it is written, which may be long after the request.
type answer struct {
	http1Writer
	server  *Server
	request *http.Request
	begun   bool // the header is written, or out of our hands
}

// begin is called when the header is about to be written, at the latest.
func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if a.server.draining.Load() {
		a.Header().Set("Connection", "close")
	}
}

func (a *answer) WriteHeader(status int) {
	switch {
	case status == http.StatusSwitchingProtocols:
		a.begun = true
	case status >= http.StatusOK: // 1xx come before it
		a.begin()
	}
	a.http1Writer.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	return a.http1Writer.Write(p)
}

func (a *answer) WriteString(s string) (int, error) {
	a.begin()
	return a.http1Writer.WriteString(s)
}

func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return a.http1Writer.ReadFrom(r)
}

func (a *answer) Flush() { _ = a.FlushError() }

func (a *answer) FlushError() error {
	a.begin()
	return a.http1Writer.FlushError()
}

// Hijack follows an HTTP/2 connection where it goes.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.begun = true
	c, rw, err := a.http1Writer.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c, rw = a.server.hijacked(a.request, c, rw)
	return c, rw, nil
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.http1Writer }
