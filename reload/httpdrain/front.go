package httpdrain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
)

// prepare sets the front up as the user's server is set.
//
// The user's server tracks no connection, so that its Shutdown, which runs hooks that
// can be had in no other way, closes none.
func (s *Server) prepare() error {
	if s.handler = s.user.Handler; s.handler == nil {
		s.handler = http.DefaultServeMux
	}
	protocols, err := s.nextProtocols()
	if err != nil {
		return err
	}
	copySettings(s.front, s.user)
	s.front.TLSNextProto = protocols
	s.front.Handler = http.HandlerFunc(s.serve)
	s.front.ConnState = func(c net.Conn, state http.ConnState) {
		c = outside(c)
		s.conns.note(c, state)
		if s.user.ConnState != nil {
			s.user.ConnState(c, state)
		}
	}
	s.front.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		ctx = context.WithValue(ctx, contextKey{}, s)
		ctx = context.WithValue(ctx, connKey{}, c)
		ctx = context.WithValue(ctx, http.ServerContextKey, s.user)
		if s.user.ConnContext != nil {
			ctx = s.user.ConnContext(ctx, c)
		}
		return ctx
	}
	return nil
}

// copySettings sets every exported field, those of later versions of Go as well.
func copySettings(to, from *http.Server) {
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for i := range target.NumField() {
		if field := target.Field(i); field.CanSet() {
			field.Set(source.Field(i))
		}
	}
}

// serve answers one request, or serves one connection that a handler hijacks.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	http1, ok := w.(http1Writer)
	if !ok { // HTTP/2, whose connections have GOAWAY
		s.handler.ServeHTTP(w, r)
		return
	}
	answer := &answer{http1Writer: http1, server: s, request: r}
	s.handler.ServeHTTP(answer, r)
	answer.begin()
}

// serveNobody makes an http.Server do all that it does before it accepts.
func serveNobody(server *http.Server) error {
	if err := server.Serve(noListener{}); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("httpdrain: %w", err)
	}
	return nil
}

type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }
