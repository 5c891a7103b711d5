package httpdrain

import (
	"bufio"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"
)

// net/http's names for the protocols that it has an HTTP/2 server for: by ALPN, and
// by the client's preface.
const overTLS, overTCP = "h2", "unencrypted_http2"

// preface is the first message of a client of HTTP/2. A server of HTTP/1 takes the
// beginning of it for a request.
const (
	prefaceRequest = "PRI * HTTP/2.0\r\n\r\n"
	prefaceRest    = "SM\r\n\r\n"
	preface        = prefaceRequest + prefaceRest
)

// nextProtocols returns TLSNextProto of the front: that of the user's server, with
// http2Conns for HTTP/2.
func (s *Server) nextProtocols() (map[string]func(*http.Server, *tls.Conn, http.Handler), error) {
	// net/http sets it up when it serves.
	setUp := new(http.Server)
	copySettings(setUp, s.user)
	setUp.BaseContext = nil // would be called
	setUp.TLSNextProto = maps.Clone(s.user.TLSNextProto)
	if err := serveNobody(setUp); err != nil {
		return nil, err
	}
	protocols := setUp.TLSNextProto
	// The entry for plain connections takes any net.Conn, which the other one does not.
	plainly, secretly := protocols[overTCP], protocols[overTLS]
	if plainly != nil {
		protocols[overTCP] = func(front *http.Server, c *tls.Conn, h http.Handler) {
			plain := c.NetConn().(unencrypted).UnencryptedNetConn()
			s.conns.setHTTP2(plain)
			plainly(front, disguised(s.newHTTP2(plain)), h)
		}
	}
	if secretly != nil {
		protocols[overTLS] = func(front *http.Server, c *tls.Conn, h http.Handler) {
			s.conns.setHTTP2(c)
			if plainly == nil { // an old golang.org/x/net: GOAWAY comes by Shutdown
				secretly(front, c, h)
				return
			}
			inner := s.newHTTP2(c)
			inner.preface = preface
			plainly(front, disguised(secure{inner, c}), h)
		}
	}
	return protocols, nil
}

// newHTTP2 makes an http2Conn that hears of the drain. One that is late has time for a
// request first.
func (s *Server) newHTTP2(c net.Conn) *http2Conn {
	made := &http2Conn{Conn: c, table: &s.conns}
	s.conns.addHTTP2(made)
	if s.draining.Load() {
		s.mu.Lock()
		defer s.mu.Unlock()
		patience := s.patience()
		time.AfterFunc(min(time.Second, patience), func() { made.sayGoAway(patience) })
	}
	return made
}

// unencrypted is how net/http passes a plain connection where a *tls.Conn is
// expected.
type unencrypted interface{ UnencryptedNetConn() net.Conn }

type disguise struct{ net.Conn }

func (d disguise) UnencryptedNetConn() net.Conn { return d.Conn }

func disguised(c net.Conn) *tls.Conn { return tls.Client(disguise{c}, nil) }

// secure is over TLS, as net/http wants to know.
type secure struct {
	*http2Conn
	tls *tls.Conn
}

func (c secure) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// outside is the connection as net/http and the user's functions know it.
func outside(c net.Conn) net.Conn {
	switch inside := c.(type) {
	case *http2Conn:
		return inside.Conn
	case secure:
		return inside.tls
	}
	return c
}

// hijacked puts an http2Conn in the place of the hijacked connection, if the handler
// has taken the connection to serve HTTP/2 on it.
func (s *Server) hijacked(r *http.Request, c net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	left := 0 // of the preface
	switch {
	case r.Method == "PRI" && r.ProtoMajor == 2:
		left = len(prefaceRest)
	case strings.EqualFold(r.Header.Get("Upgrade"), "h2c"):
		left = len(preface)
	default:
		return c, rw
	}
	made := s.newHTTP2(c)
	made.in.left = left
	made.ahead, _ = rw.Peek(rw.Reader.Buffered())
	// After an upgrade an answer of HTTP/1 comes first, which is 101 and has no body.
	return made, bufio.NewReadWriter(bufio.NewReader(made), rw.Writer)
}
