package httpdrain

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
)

// What net/http calls the protocols that it has an HTTP/2 server for: by ALPN, and
// by the client's preface.
const overTLS, overTCP = "h2", "unencrypted_http2"

// prepareHTTP2 sets up the HTTP/2 server of net/http if the user's settings want
// one. The http.Server it belongs to tracks no connection of HTTP/1, so that its
// Shutdown is GOAWAY and no more, and may be called at any time and again.
func (s *Server) prepareHTTP2() error {
	copySettings(s.http2, s.user)
	s.http2.BaseContext = nil // would be called
	s.http2.TLSNextProto = maps.Clone(s.user.TLSNextProto)
	return setUp(s.http2)
}

// nextProtocols is TLSNextProto of the front.
func (s *Server) nextProtocols() map[string]func(*http.Server, *tls.Conn, http.Handler) {
	protocols := maps.Clone(s.http2.TLSNextProto)
	for _, name := range []string{overTLS, overTCP} {
		serve, ok := protocols[name]
		if !ok {
			continue
		}
		protocols[name] = func(front *http.Server, c *tls.Conn, h http.Handler) {
			s.conns.setHTTP2(carried(c))
			serve(front, c, h)
		}
	}
	return protocols
}

// carried is the connection that net/http tracks: c itself, or the plain one that it hands
// over in the shape of a *tls.Conn.
func carried(c *tls.Conn) net.Conn {
	if plain, ok := c.NetConn().(interface{ UnencryptedNetConn() net.Conn }); ok {
		return plain.UnencryptedNetConn()
	}
	return c
}

// sayGoAway tells the clients of all HTTP/2 connections to go elsewhere with their
// next request. Those that have heard it do not hear it again.
func (s *Server) sayGoAway() {
	// It has nothing to wait for.
	_ = s.http2.Shutdown(context.Background())
	for _, c := range s.conns.allHijacked() {
		c.finish()
	}
}
