package httpdrain

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// mostBody is how much of a request's body AskAgain reads, so that a client that sends
// all of it before it reads finds the answer: as much as net/http does.
const mostBody = 256 << 10

// AskAgain answers a request that this generation can no longer answer, because its
// [reload.Keeper] has parked the state that the answer needs. A generation that has
// parked accepts nothing, but requests still come on the connections that its clients
// have kept. The answer is a redirect to the same URL (307, so the method and the body
// stay) and ends the connection: the client asks again on another one, which waits for
// the generation that has the state.
//
// The Keeper knows whether it has parked. The handler asks it under the lock that Park
// takes, so that no request falls between the two:
//
//	k.mu.Lock()
//	defer k.mu.Unlock()
//	if k.parked {
//		httpdrain.AskAgain(w, r)
//		return
//	}
//
// Nothing of an answer may have been written. A client that follows no redirects gets
// 307; a reverse proxy passes it on to its own client.
func AskAgain(w http.ResponseWriter, r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, mostBody)
	h := w.Header()
	if !goAway(r) {
		h.Set("Connection", "close")
	}
	h.Set("Cache-Control", "no-store")
	if again, ok := sameURL(r); ok {
		h.Set("Location", again)
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	h.Set("Retry-After", "0")
	w.WriteHeader(http.StatusServiceUnavailable)
}

// sameURL is the URL of a request as its client wrote it, without the host. It is not
// r.URL, which a handler around may have changed. CONNECT and "OPTIONS *" have none.
func sameURL(r *http.Request) (string, bool) {
	asked, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || !strings.HasPrefix(asked.Path, "/") {
		return "", false
	}
	again := url.URL{Path: asked.Path, RawPath: asked.RawPath, RawQuery: asked.RawQuery, ForceQuery: asked.ForceQuery}
	path := again.EscapedPath()
	if strings.HasPrefix(path, "//") {
		path = "/." + path // would name a host
	}
	again.Path, again.RawPath = "", ""
	return path + again.String(), true
}

// goAway has the HTTP/2 connection of a request end. It reports false if the server has
// no such connection.
func goAway(r *http.Request) bool {
	s, ok := r.Context().Value(contextKey{}).(*Server)
	if !ok {
		return false
	}
	nc, _ := r.Context().Value(connKey{}).(net.Conn)
	c := s.conns.findHTTP2(nc)
	if c != nil {
		c.sayGoAway(min(defaultLinger, s.lingers()))
	}
	return c != nil
}

// connKey is the key of the net.Conn in the context of its requests.
type connKey struct{}
